//! See `oqron_processes::programs::publisher`.

fn main() -> Result<(), Box<dyn std::error::Error>> {
    oqron_processes::programs::publisher::main(std::env::args().skip(1).collect())
}
