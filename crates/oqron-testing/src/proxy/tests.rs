use std::io::ErrorKind;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};

use super::*;

const PATIENCE: Duration = Duration::from_secs(10);
/// Long enough to believe that nothing comes.
const SILENCE: Duration = Duration::from_millis(100);

/// A server that says back what it hears, and a proxy in front of it.
async fn echo() -> Proxy {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            tokio::spawn(async move {
                let (mut read, mut write) = stream.split();
                let _ = tokio::io::copy(&mut read, &mut write).await;
                let _ = write.shutdown().await;
            });
        }
    });
    Proxy::start(&address.to_string()).await.unwrap()
}

async fn connect(proxy: &Proxy) -> TcpStream {
    TcpStream::connect(proxy.address()).await.unwrap()
}

async fn hear(stream: &mut TcpStream, count: usize) -> io::Result<String> {
    let mut bytes = vec![0; count];
    let read = timeout(PATIENCE, stream.read_exact(&mut bytes)).await;
    read.expect("nothing comes")?;
    Ok(String::from_utf8(bytes).unwrap())
}

async fn ask(stream: &mut TcpStream, text: &str) -> io::Result<String> {
    stream.write_all(text.as_bytes()).await?;
    hear(stream, text.len()).await
}

/// Nothing comes, not even an end.
async fn is_silent(stream: &mut TcpStream) -> bool {
    timeout(SILENCE, stream.read(&mut [0; 1])).await.is_err()
}

/// What a read says once the connection has ended.
async fn end(stream: &mut TcpStream) -> Result<usize, ErrorKind> {
    let read = timeout(PATIENCE, stream.read(&mut [0; 64])).await;
    read.expect("it does not end").map_err(|error| error.kind())
}

#[tokio::test]
async fn everything_passes_both_ways_and_the_ends_of_streams_do_too() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    let long = "x".repeat(300_000);
    let (mut read, mut write) = stream.split();
    let mut heard = Vec::new();
    let (wrote, read) = tokio::join!(
        async {
            write.write_all(long.as_bytes()).await?;
            write.shutdown().await
        },
        timeout(PATIENCE, read.read_to_end(&mut heard)),
    );
    wrote.unwrap();
    read.expect("the stream does not end").unwrap();
    assert_eq!(heard, long.as_bytes());
    assert_eq!((proxy.accepted(), proxy.bytes_from_server()), (1, 300_000));
}

#[tokio::test]
async fn a_delay_is_for_each_way_and_what_comes_meanwhile_does_not_wait_for_it_again() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    let each_way = Duration::from_millis(60);
    proxy.set(Weather::slow(each_way));
    let begun = Instant::now();
    for text in ["a", "b", "c"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(hear(&mut stream, 3).await.unwrap(), "abc");
    assert!(begun.elapsed() >= 2 * each_way, "{:?}", begun.elapsed());
}

#[tokio::test]
async fn a_black_hole_says_nothing_and_what_was_in_it_stays_dead() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    assert_eq!(ask(&mut old, "a").await.unwrap(), "a");
    proxy.set(Weather::BLACKHOLE);
    let mut new = connect(&proxy).await;
    for stream in [&mut old, &mut new] {
        stream.write_all(b"lost").await.unwrap();
        assert!(is_silent(stream).await);
    }
    proxy.clear();
    for stream in [&mut old, &mut new] {
        let _ = stream.write_all(b"more").await;
        assert!(is_silent(stream).await);
    }
    let mut next = connect(&proxy).await;
    assert_eq!(ask(&mut next, "b").await.unwrap(), "b");
}

#[tokio::test]
async fn what_is_stranded_is_silent_for_ever_and_new_connections_work() {
    let proxy = echo().await;
    let mut old = connect(&proxy).await;
    assert_eq!(ask(&mut old, "a").await.unwrap(), "a");
    proxy.strand();
    let mut new = connect(&proxy).await;
    assert_eq!(ask(&mut new, "b").await.unwrap(), "b");
    proxy.clear();
    old.write_all(b"lost").await.unwrap();
    assert!(is_silent(&mut old).await);
    assert_eq!(proxy.connections(), 2);
}

#[tokio::test]
async fn what_is_held_arrives_when_the_weather_changes() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.set(Weather::FROZEN);
    stream.write_all(b"late").await.unwrap();
    assert!(is_silent(&mut stream).await);
    proxy.clear();
    assert_eq!(hear(&mut stream, 4).await.unwrap(), "late");
}

#[tokio::test]
async fn the_deaf_have_an_effect_and_hear_nothing_of_it() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.set(Weather::DEAF);
    stream.write_all(b"heard").await.unwrap();
    assert!(is_silent(&mut stream).await);
    assert_eq!(proxy.bytes_from_server(), 5);
}

#[tokio::test]
async fn a_cut_ends_what_is_open_and_not_what_comes() {
    let proxy = echo().await;
    for (cut, expected) in [(Cut::Fin, Ok(0)), (Cut::Reset, Err(ErrorKind::ConnectionReset))] {
        let mut stream = connect(&proxy).await;
        assert_eq!(ask(&mut stream, "a").await.unwrap(), "a");
        proxy.cut(cut);
        assert_eq!(end(&mut stream).await, expected);
        let mut next = connect(&proxy).await;
        assert_eq!(ask(&mut next, "b").await.unwrap(), "b");
    }
}

#[tokio::test]
async fn a_closed_door_refuses_as_if_nobody_listened_and_opens_again() {
    let proxy = echo().await;
    let mut open = connect(&proxy).await;
    assert_eq!(ask(&mut open, "a").await.unwrap(), "a");
    proxy.refuse().await.unwrap();
    for _ in 0..3 {
        let error = TcpStream::connect(proxy.address()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    }
    assert_eq!(ask(&mut open, "b").await.unwrap(), "b");
    proxy.accept().await.unwrap();
    proxy.accept().await.unwrap();
    let mut next = connect(&proxy).await;
    assert_eq!(ask(&mut next, "c").await.unwrap(), "c");
}

#[tokio::test]
async fn only_the_next_connection_has_a_weather_of_its_own() {
    let proxy = echo().await;
    proxy.next_connection(Weather::BLACKHOLE);
    let mut first = connect(&proxy).await;
    first.write_all(b"lost").await.unwrap();
    assert!(is_silent(&mut first).await);
    let mut second = connect(&proxy).await;
    assert_eq!(ask(&mut second, "a").await.unwrap(), "a");
}

#[tokio::test]
async fn a_strike_by_bytes_lets_just_so_many_arrive() {
    let proxy = echo().await;
    let strike = proxy.strike(When::ServerBytes(5), Fault::FIN);
    let mut stream = connect(&proxy).await;
    assert_eq!(ask(&mut stream, "abc").await.unwrap(), "abc");
    assert!(!strike.has_struck());
    stream.write_all(b"defg").await.unwrap();
    assert_eq!(hear(&mut stream, 2).await.unwrap(), "de");
    assert_eq!(end(&mut stream).await, Ok(0));
    timeout(PATIENCE, strike.struck()).await.unwrap();
    let mut next = connect(&proxy).await;
    assert_eq!(ask(&mut next, "hijklmn").await.unwrap(), "hijklmn");
}

#[tokio::test]
async fn lost_answers_are_all_lost_before_the_connection_is_cut() {
    let proxy = echo().await;
    let strike = proxy.strike(When::ClientSays(b"a".into()), Fault::LoseAnswers(Cut::Fin));
    let mut stream = connect(&proxy).await;
    for text in ["a", "b", "c"] {
        stream.write_all(text.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(end(&mut stream).await, Ok(0));
    assert!(strike.has_struck());
    assert_eq!(proxy.bytes_from_server(), 3);
}

#[tokio::test]
async fn a_strike_by_words_finds_them_in_pieces_and_loses_only_that_answer() {
    let proxy = echo().await;
    for fault in [Fault::RESET, Fault::Silence] {
        for when in [
            When::ClientSays(b"job-7".into()),
            When::ServerSays(b"job-7".into()),
        ] {
            let strike = proxy.strike(when, fault);
            let (mut other, mut stream) = (connect(&proxy).await, connect(&proxy).await);
            assert_eq!(ask(&mut other, "job-6").await.unwrap(), "job-6");
            assert_eq!(ask(&mut stream, "add jo").await.unwrap(), "add jo");
            stream.write_all(b"b-7").await.unwrap();
            timeout(PATIENCE, strike.struck()).await.unwrap();
            match fault {
                Fault::Silence => assert!(is_silent(&mut stream).await),
                _ => assert_eq!(end(&mut stream).await, Err(ErrorKind::ConnectionReset)),
            }
            assert_eq!(ask(&mut other, "job-7").await.unwrap(), "job-7");
        }
    }
}

#[tokio::test]
async fn what_was_cleared_does_not_strike() {
    let proxy = echo().await;
    proxy.strike(When::ServerBytes(0), Fault::RESET);
    proxy.next_connection(Weather::BLACKHOLE);
    proxy.clear();
    let mut stream = connect(&proxy).await;
    assert_eq!(ask(&mut stream, "a").await.unwrap(), "a");
}

#[tokio::test]
async fn a_reader_that_does_not_read_costs_no_memory() {
    let proxy = echo().await;
    let mut stream = connect(&proxy).await;
    proxy.set(Weather::slow(Duration::from_secs(3600)));
    let chunk = vec![0; 64 * 1024];
    let mut taken = 0;
    while let Ok(wrote) = timeout(SILENCE, stream.write(&chunk)).await {
        taken += wrote.unwrap();
        // What the kernel keeps for both sockets is far less.
        assert!(taken < 64 * 1024 * 1024, "it takes in everything");
    }
}

#[tokio::test]
async fn all_ends_with_the_proxy() {
    let proxy = echo().await;
    let address = proxy.address();
    let mut stream = connect(&proxy).await;
    proxy.set(Weather::BLACKHOLE);
    stream.write_all(b"lost").await.unwrap();
    assert!(is_silent(&mut stream).await);
    assert_eq!(proxy.connections(), 1);
    drop(proxy);
    assert!(matches!(
        end(&mut stream).await,
        Ok(0) | Err(ErrorKind::ConnectionReset)
    ));
    let refused = async {
        while TcpStream::connect(address).await.is_ok() {
            tokio::task::yield_now().await;
        }
    };
    timeout(PATIENCE, refused).await.expect("somebody still listens");
}

#[tokio::test]
async fn a_server_that_is_not_there_ends_the_connection() {
    let gone = TcpListener::bind("127.0.0.1:0")
        .await
        .unwrap()
        .local_addr()
        .unwrap();
    let proxy = Proxy::start(&gone.to_string()).await.unwrap();
    let mut stream = connect(&proxy).await;
    assert_eq!(end(&mut stream).await, Err(ErrorKind::ConnectionReset));
}

#[tokio::test]
async fn a_url_keeps_everything_but_host_and_port() {
    let proxy = echo().await;
    let here = proxy.address();
    for (original, expected) in [
        ("redis://:p%40s@h:1/3", format!("redis://:p%40s@{here}/3")),
        (
            "postgres://u:p@ss/w@h:1/db?schema=a@b",
            format!("postgres://u:p@ss/w@{here}/db?schema=a@b"),
        ),
        ("redis://localhost:6379", format!("redis://{here}")),
        ("127.0.0.1:6379", here.to_string()),
    ] {
        assert_eq!(proxy.url(original), expected);
    }
}
