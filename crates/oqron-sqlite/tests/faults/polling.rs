//! A worker that nobody can send to looks by itself: what it must find.

use oqron_core::{Consume, Message, WorkerInfo};

use super::world::{DEADLINE, World, claim};

/// Otherwise nobody comes when they end.
#[tokio::test]
async fn a_worker_without_a_socket_learns_of_leases_that_nobody_waits_for() {
    let world = World::with("?wakeups=poll", |_| {}).await;
    let mut idle = world.worker("idle");
    let info = WorkerInfo::new(idle.id.clone(), vec![world.topic.clone()], 1, "host");
    let mut presence = world.consume.join(&info).await.unwrap();
    assert!(presence.is_seen());
    assert_eq!(idle.turn(&[], Some(claim(1))).await.unwrap().due_in, None);
    world.add("a").await.unwrap();
    assert_eq!(world.worker("busy").claim(1).await.len(), 1);

    let message = tokio::time::timeout(DEADLINE, presence.next()).await;
    assert_eq!(message.unwrap().unwrap(), Message::Wake(world.topic.clone()));
    let turned = idle.turn(&[], Some(claim(1))).await.unwrap();
    assert!(turned.leased && turned.due_in.is_some());
}
