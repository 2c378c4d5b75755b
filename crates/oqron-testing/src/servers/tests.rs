use std::{
    io::{BufRead, BufReader, Write},
    net::TcpStream,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use super::*;

/// Sends inline commands and returns the answers, one line each.
fn ask_redis(port: u16, commands: &[&str]) -> std::io::Result<Vec<String>> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    for command in commands {
        write!(stream, "{command}\r\n")?;
    }
    let lines = BufReader::new(stream).lines();
    lines.take(commands.len()).collect()
}

fn ask_postgres(url: &str, sql: &str) -> Result<String, String> {
    let psql = find_postgres().unwrap().join("psql");
    let output = Command::new(psql)
        .args([url, "--no-psqlrc", "-Atc", sql])
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).trim().to_string()),
        false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
    }
}

fn command_line_of(pid: u32) -> Option<String> {
    std::fs::read_to_string(format!("/proc/{pid}/cmdline")).ok()
}

#[test]
fn a_redis_server_answers_until_it_is_dropped() {
    let server = RedisServer::start(RedisOptions::new()).unwrap();
    let (port, pid, folder) = (
        server.port(),
        server.pid().unwrap(),
        folder_of(server.pid().unwrap()),
    );
    assert_eq!(server.url(), format!("redis://127.0.0.1:{port}"));
    assert_eq!(
        ask_redis(port, &["SELECT 1023", "CONFIG GET save"]).unwrap()[0],
        "+OK"
    );

    drop(server);

    assert!(ask_redis(port, &["PING"]).is_err());
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists(), "{} is left", folder.display());
}

#[test]
fn a_redis_server_with_a_password_asks_for_it_and_does_not_show_it() {
    let server = RedisServer::start(RedisOptions::new().password("a \"b\\c@d")).unwrap();
    assert_eq!(
        server.url(),
        format!("redis://:a%20%22b%5Cc%40d@127.0.0.1:{}", server.port())
    );
    assert!(ask_redis(server.port(), &["PING"]).unwrap()[0].starts_with("-NOAUTH"));
    let with = ask_redis(server.port(), &[r#"AUTH "a \"b\\c@d""#, "PING"]).unwrap();
    assert_eq!(with, ["+OK", "+PONG"]);
    assert!(!command_line_of(server.pid().unwrap()).unwrap().contains("b\\c"));
}

#[test]
fn a_crashed_redis_server_comes_back_on_its_port_with_what_it_has_persisted() {
    let options = RedisOptions::new()
        .setting("appendonly", "yes")
        .setting("appendfsync", "always");
    let mut server = RedisServer::start(options).unwrap();
    let (port, first) = (server.port(), server.pid());
    ask_redis(port, &["SET key kept"]).unwrap();

    server.crash().unwrap();
    assert_eq!(server.pid(), None);
    assert!(ask_redis(port, &["PING"]).is_err());

    server.restart().unwrap();
    assert_eq!(server.port(), port);
    assert_ne!(server.pid(), first);
    assert_eq!(ask_redis(port, &["EXISTS key"]).unwrap(), [":1"]);
}

#[test]
fn a_setting_that_redis_does_not_know_is_told_with_its_own_words() {
    let error = RedisServer::start(RedisOptions::new().setting("no-such-setting", "1"))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("Redis ended") && error.contains("no-such-setting"),
        "{error}"
    );
}

#[test]
fn a_server_outlives_the_thread_that_started_it() {
    let server = thread::spawn(|| RedisServer::start(RedisOptions::new()).unwrap())
        .join()
        .unwrap();
    assert_eq!(ask_redis(server.port(), &["PING"]).unwrap(), ["+PONG"]);
}

#[test]
fn a_postgres_server_answers_until_it_is_dropped() {
    let server = PostgresServer::start(PostgresOptions::new().without_durability()).unwrap();
    let (url, pid, folder) = (
        server.url(),
        server.pid().unwrap(),
        folder_of(server.pid().unwrap()),
    );
    assert_eq!(ask_postgres(&url, "show max_connections").unwrap(), "300");
    assert_eq!(ask_postgres(&url, "show fsync").unwrap(), "off");

    drop(server);

    assert!(ask_postgres(&url, "select 1").unwrap_err().contains("refused"));
    assert!(!Path::new(&format!("/proc/{pid}")).exists());
    assert!(!folder.exists(), "{} is left", folder.display());
}

#[test]
fn a_postgres_server_with_a_password_refuses_a_wrong_one() {
    let options = PostgresOptions::new().without_durability().password("p@ss/word");
    let server = PostgresServer::start(options).unwrap();
    assert_eq!(ask_postgres(&server.url(), "select 1").unwrap(), "1");
    let wrong = server.url().replace("p%40ss", "guess");
    assert!(
        ask_postgres(&wrong, "select 1")
            .unwrap_err()
            .contains("password authentication failed")
    );
}

#[test]
fn a_stopped_or_crashed_postgres_server_comes_back_with_its_data() {
    // Durable, because a crash without it may lose what was committed.
    let mut server = PostgresServer::start(PostgresOptions::new()).unwrap();
    let url = server.url();
    ask_postgres(&url, "create table kept (n int); insert into kept values (7)").unwrap();

    server.restart().unwrap();
    assert_eq!(ask_postgres(&url, "select n from kept").unwrap(), "7");

    server.crash().unwrap();
    assert!(ask_postgres(&url, "select 1").is_err());
    server.restart().unwrap();
    assert_eq!(ask_postgres(&url, "select n from kept").unwrap(), "7");
}

#[test]
fn a_setting_that_postgres_does_not_know_is_told_with_its_own_words() {
    let options = PostgresOptions::new().setting("no_such_setting", "1");
    let error = PostgresServer::start(options).unwrap_err().to_string();
    assert!(
        error.contains("PostgreSQL ended") && error.contains("no_such_setting"),
        "{error}"
    );
}

/// The temporary folder of a server: every server works in its own.
fn folder_of(pid: u32) -> PathBuf {
    let here = std::fs::read_link(format!("/proc/{pid}/cwd")).unwrap();
    match here.ends_with("data") {
        true => here.parent().unwrap().to_path_buf(),
        false => here,
    }
}
