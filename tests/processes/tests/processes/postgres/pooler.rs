use oqron_processes::siege::Siege;
use oqron_testing::servers::{PgBouncer, PostgresOptions};

use super::{server, terminate_all};
use crate::each_backend::world_at;

const JOBS: u64 = 1_500;
const TERMINATIONS: usize = 5;

#[tokio::test]
async fn behind_a_pooler_whose_sessions_are_terminated_nothing_is_lost_or_doubled() {
    let server = server(PostgresOptions::new());
    let pooler = PgBouncer::start(&server).unwrap();
    let world = world_at(format!("{}?prepared=false", pooler.url())).await;
    let siege = Siege::start(&world, JOBS).await;
    terminate_all(&server, &siege, TERMINATIONS, JOBS as usize / TERMINATIONS / 2).await;
    siege.proven().await;
}
