//! The programs of this package, and each test on each backend.

use oqron_processes::world::{Backend, Programs, World};

/// One test function for each backend out of `async fn name(world: World)`.
macro_rules! on_each_backend {
    ($($test:ident),+ $(,)?) => {
        on_each_backend!(@backend sqlite Sqlite $($test)+);
        on_each_backend!(@backend redis Redis $($test)+);
        on_each_backend!(@backend postgres Postgres $($test)+);
    };
    (@backend $module:ident $backend:ident $($test:ident)+) => {
        mod $module {
            $(
                #[tokio::test]
                async fn $test() {
                    let world = crate::each_backend::world(oqron_processes::world::Backend::$backend).await;
                    super::$test(world).await;
                }
            )+
        }
    };
}

/// The same without SQLite, which is on no network.
macro_rules! on_each_server {
    ($($test:ident),+ $(,)?) => {
        on_each_backend!(@backend redis Redis $($test)+);
        on_each_backend!(@backend postgres Postgres $($test)+);
    };
}

/// A world of its own for a test.
pub(crate) async fn world(backend: Backend) -> World {
    World::new(backend, programs()).await
}

/// A world of its own on a server of the test's own.
pub(crate) async fn world_at(url: impl Into<String>) -> World {
    World::at(url, programs()).await
}

fn programs() -> Programs {
    Programs {
        worker: vec![env!("CARGO_BIN_EXE_test-worker").into()],
        publisher: vec![env!("CARGO_BIN_EXE_test-publisher").into()],
    }
}
