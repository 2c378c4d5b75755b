//! Somebody who waits must know of every lease, or nobody comes when it ends.

use oqron_core::{Consume, Message, Presence, WorkerInfo};

use super::world::{DEADLINE, Worker, World, claim};

/// It looks by itself.
#[tokio::test]
async fn a_worker_without_a_socket_learns_of_leases_that_nobody_waits_for() {
    let world = World::with("?wakeups=poll", |_| {}).await;
    let (mut idle, mut presence) = waiter(&world, "idle").await;
    assert!(presence.is_seen());
    world.add("a").await.unwrap();
    assert_eq!(world.worker("busy").claim(1).await.len(), 1);

    woken(&world, &mut presence).await;
    let turned = idle.turn(&[], Some(claim(1))).await.unwrap();
    assert!(turned.leased && turned.due_in.is_some());
}

/// It would come for its own leases, but not when it is dead.
#[tokio::test]
async fn a_worker_with_a_lease_and_a_free_slot_does_not_count_on_itself() {
    let world = World::new().await;
    let (mut holder, mut first) = waiter(&world, "holder").await;
    let (_idle, mut second) = waiter(&world, "idle").await;
    world.add("a").await.unwrap();
    woken(&world, &mut first).await;
    assert_eq!(holder.claim(2).await.len(), 1);
    woken(&world, &mut second).await;
}

/// It may be dead, and its place is left until a sweep.
#[tokio::test]
async fn a_waiter_that_is_late_is_not_counted_on() {
    let world = World::new().await;
    let (mut holder, mut first) = waiter(&world, "holder").await;
    let (_late, mut second) = waiter(&world, "late").await;
    world.add("a").await.unwrap();
    woken(&world, &mut first).await;
    let changed = world
        .by_hand()
        .execute("UPDATE waiters SET back_at = 1 WHERE worker = 'late'", []);
    assert_eq!(changed.unwrap(), 1);
    assert_eq!(holder.claim(1).await.len(), 1);
    woken(&world, &mut second).await;
}

/// A worker that has joined and waits, without knowing of anything to come.
async fn waiter<'a>(world: &'a World, name: &str) -> (Worker<'a>, Box<dyn Presence>) {
    let mut worker = world.worker(name);
    let info = WorkerInfo::new(worker.id.clone(), vec![world.topic.clone()], 1, "host");
    let presence = world.consume.join(&info).await.unwrap();
    let turned = worker.turn(&[], Some(claim(1))).await.unwrap();
    assert!(turned.leases.is_empty() && turned.due_in.is_none());
    (worker, presence)
}

async fn woken(world: &World, presence: &mut Box<dyn Presence>) {
    let message = tokio::time::timeout(DEADLINE, presence.next()).await;
    assert_eq!(message.unwrap().unwrap(), Message::Wake(world.topic.clone()));
}
