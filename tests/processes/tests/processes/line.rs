//! A network that delays, loses and cuts, between processes under load and their server.

use std::time::Duration;

use oqron_processes::process::Builder;
use oqron_processes::programs::publisher::Manner;
use oqron_processes::siege::{Siege, lasts};
use oqron_processes::world::World;
use oqron_testing::proxy::{Cut, Fault, Proxy, Weather, When};

on_each_server!(a_network_that_delays_loses_and_cuts_everything_loses_and_doubles_no_job);

const JOBS: u64 = 3_000;
const CALL_TIMEOUT: &str = "1s";
/// Longer than any call may take.
const SILENCE: Duration = Duration::from_millis(1_500);
/// Each way.
const DELAY: Duration = Duration::from_millis(20);

async fn a_network_that_delays_loses_and_cuts_everything_loses_and_doubles_no_job(world: World) {
    let url = world.url();
    let proxy = Proxy::start(&url).await.unwrap();
    let through = proxy.url(&url);
    let more = move |builder: Builder| {
        builder
            .env("OQRON_URL", &through)
            .env("OQRON_CALL_TIMEOUT", CALL_TIMEOUT)
    };
    let siege = Siege::with(&world, JOBS, Manner::Insisting, more).await;
    let step = JOBS as usize / 30;
    for bytes in [20, 300, 1_000, 2_000, 3_000] {
        for fault in [Fault::FIN, Fault::RESET, Fault::LoseAnswers(Cut::Reset)] {
            proxy.strike(When::ServerBytes(bytes), fault).struck().await;
        }
    }
    siege.goes_on(step).await;
    for silent in [Weather::DEAF, Weather::BLACKHOLE, Weather::FROZEN] {
        proxy.set(silent);
        lasts(SILENCE).await;
        proxy.clear();
        siege.goes_on(step).await;
    }
    // Whoever waits for something on a connection hears nothing any more, and is not told.
    proxy.strand();
    siege.goes_on(step).await;
    proxy.set(Weather::slow(DELAY));
    siege.goes_on(step).await;
    proxy.clear();
    siege.proven().await;
}
