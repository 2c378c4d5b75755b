//! See `oqron_processes::programs::worker`.

fn main() -> std::process::ExitCode {
    oqron_processes::programs::worker::main()
}
