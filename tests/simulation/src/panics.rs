//! Hears every panic of this thread that no handler meant. A panic in a task of the code under test would otherwise be
//! a silent end of that task.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

use crate::handler::MEANT;

thread_local! {
    static HEARD: RefCell<Vec<String>> = const { RefCell::new(Vec::new()) };
}

/// From now on panics that are meant are silent, and the others are kept as well as shown.
pub(crate) fn listen() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let before = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            let text = panic.payload_as_str().unwrap_or_default();
            if text.starts_with(MEANT) {
                return;
            }
            HEARD.with_borrow_mut(|heard| heard.push(format!("a panic: {panic}")));
            before(panic);
        }));
    });
}

/// The panics of this thread since the last call.
pub(crate) fn heard() -> Vec<String> {
    HEARD.take()
}
