//! Redis answers as the model does.

use std::sync::Arc;

use oqron_core::{Config, Error};
use oqron_models::{Backend, Opened, Pair};
use oqron_redis::{RedisConsume, RedisOperate, RedisPublish};
use oqron_testing::conformance::Handles;
use proptest::prelude::ProptestConfig;
use proptest_state_machine::prop_state_machine;

struct Redis;

impl Backend for Redis {
    fn url() -> String {
        oqron_testing::servers::redis_url()
    }

    async fn open(config: &Config) -> Result<Handles, Error> {
        Ok(Handles {
            publish: Arc::new(RedisPublish::connect(config).await?),
            consume: Arc::new(RedisConsume::connect(config).await?),
            operate: Arc::new(RedisOperate::connect(config).await?),
        })
    }

    fn opened() -> &'static Opened {
        static OPENED: Opened = Opened::new::<Redis>();
        &OPENED
    }
}

prop_state_machine! {
    #![proptest_config(ProptestConfig {
        cases: 200,
        failure_persistence: None,
        max_shrink_time: 60_000,
        ..ProptestConfig::default()
    })]
    #[test]
    fn any_sequence_of_steps_is_answered_as_by_the_model(sequential 1..60 => Pair<Redis>);
}
