//! URLs that nobody should have configured: refused, or a server that does not answer; never a panic, never a password.

use oqron::Config;
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// No letters that a host, an option or a complaint has.
const SECRET: &str = "Q7Q7Q7";

fn tail() -> impl Strategy<Value = String> {
    let option = prop_oneof![
        "(sslmode|protocol|options|schema|pool_size|prepared|db|application_name|connect_timeout|wait|mode)=[a-z0-9%-]{0,8}",
        "[a-z_]{0,8}=[ -~]{0,8}",
        "\\PC{0,10}",
    ];
    ("(/[ -~]{0,10})?", prop::collection::vec(option, 0..4))
        .prop_map(|(path, options)| format!("{path}?{}", options.join("&")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_url_with_nonsense_behind_its_host_is_refused_without_its_password(
        scheme in "(redis|rediss|postgres|postgresql)", tail in tail()
    ) {
        super::note_panics();
        // Nobody listens at port 1.
        let url = format!("{scheme}://user:{SECRET}@127.0.0.1:1{tail}");
        let Ok(mut config) = Config::new(url) else {
            return Ok(());
        };
        config.call_timeout = std::time::Duration::from_secs(2);
        let refused = Runtime::new().unwrap().block_on(async {
            [
                oqron::publisher(config.clone()).await.err().map(|error| error.to_string()),
                oqron::runtime(config.clone()).await.err().map(|error| error.to_string()),
                oqron::operator(&config).await.err().map(|error| error.to_string()),
            ]
        });
        for error in refused {
            let error = error.expect("nobody listens there");
            prop_assert!(!error.contains(SECRET), "{}", error);
        }
    }
}
