//! The socket's file, and who may reach it.
//!
//! Invariant: A Unix socket is never more open than configured, and only a dead socket is removed for it.

use std::{
    fs,
    os::unix::{
        fs::{FileTypeExt as _, PermissionsExt as _},
        net::UnixListener,
    },
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use anyport_transport::unix::{Config, Listener, Refused};
use tempfile::TempDir;

use super::Server;
use crate::common::within;

fn mode(path: &std::path::Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn the_file_is_its_owners_alone_and_goes_with_the_server() {
    let mut server = Server::start(Config::default()).await;
    assert!(fs::symlink_metadata(&server.path).unwrap().file_type().is_socket());
    assert_eq!(mode(&server.path), 0o600);
    // Nothing else was left beside it.
    assert_eq!(fs::read_dir(server.path.parent().unwrap()).unwrap().count(), 1);
    server.canary().await;
    server.stop();
    let (path, folder) = (server.path.clone(), server.path.parent().unwrap().to_owned());
    within(&mut server.serving).await.unwrap().unwrap();
    assert!(!path.exists());
    assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
}

#[tokio::test]
async fn the_file_is_never_more_open_than_it_will_be() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mcp.sock");
    let done = Arc::new(AtomicBool::new(false));
    let (watched, over) = (path.clone(), done.clone());
    // Looks as often as it can, while the socket is made many times.
    let watcher = std::thread::spawn(move || {
        let mut seen = 0_u32;
        while !over.load(Ordering::Relaxed) {
            if let Ok(metadata) = fs::symlink_metadata(&watched) {
                assert_eq!(metadata.permissions().mode() & 0o777, 0o600);
                seen += 1;
            }
        }
        seen
    });
    for _ in 0..300 {
        drop(Listener::bind(&path, Config::default()).await.unwrap());
    }
    let last = Listener::bind(&path, Config::default()).await.unwrap();
    while !watcher.is_finished() && !done.swap(true, Ordering::Relaxed) {}
    drop(last);
    watcher.join().unwrap();
}

#[tokio::test]
async fn a_mode_can_be_chosen() {
    let server = Server::start(Config::default().mode(0o660)).await;
    assert_eq!(mode(&server.path), 0o660);
}

#[tokio::test]
async fn what_a_dead_process_left_is_replaced() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mcp.sock");
    // Dropping the standard library's listener closes it and leaves its file, as a killed process does.
    drop(UnixListener::bind(&path).unwrap());
    assert!(path.exists());
    let listener = Listener::bind(&path, Config::default()).await.unwrap();
    assert_eq!(mode(&path), 0o600);
    drop(listener);
    assert!(!path.exists());
}

#[tokio::test]
async fn a_socket_in_use_is_left_alone() {
    let server = Server::start(Config::default()).await;
    let refused = Listener::bind(&server.path, Config::default()).await.unwrap_err();
    assert!(matches!(refused, Refused::InUse(_)));
    assert!(refused.to_string().contains("in use"), "{refused}");
    server.canary().await;
    assert_eq!(fs::read_dir(server.path.parent().unwrap()).unwrap().count(), 1);
}

#[tokio::test]
async fn a_socket_whose_process_hangs_is_in_use() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mcp.sock");
    // Nobody accepts, and the queue is full: connecting would wait for ever.
    let listener = socket_with_backlog(&path);
    let mut waiting = Vec::new();
    while let Ok(Ok(stream)) =
        tokio::time::timeout(std::time::Duration::from_millis(200), tokio::net::UnixStream::connect(&path))
            .await
    {
        waiting.push(stream);
        if waiting.len() > 5000 {
            break;
        }
    }
    let refused = within(Listener::bind(&path, Config::default())).await.unwrap_err();
    assert!(matches!(refused, Refused::InUse(_)), "{refused}");
    assert!(path.exists());
    drop(listener);
}

fn socket_with_backlog(path: &std::path::Path) -> UnixListener {
    UnixListener::bind(path).unwrap()
}

#[tokio::test]
async fn what_is_no_socket_is_never_removed() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mcp.sock");
    fs::write(&path, "precious").unwrap();
    let refused = Listener::bind(&path, Config::default()).await.unwrap_err();
    assert!(matches!(refused, Refused::NotASocket(_)), "{refused}");
    assert_eq!(fs::read_to_string(&path).unwrap(), "precious");

    let link = folder.path().join("link.sock");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let refused = Listener::bind(&link, Config::default()).await.unwrap_err();
    assert!(matches!(refused, Refused::NotASocket(_)), "{refused}");
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());

    let inside = folder.path().join("folder.sock");
    fs::create_dir(&inside).unwrap();
    assert!(matches!(Listener::bind(&inside, Config::default()).await, Err(Refused::NotASocket(_))));
}

#[tokio::test]
async fn what_took_the_files_place_is_not_removed_at_the_end() {
    let mut server = Server::start(Config::default()).await;
    fs::remove_file(&server.path).unwrap();
    fs::write(&server.path, "another's").unwrap();
    server.stop();
    within(&mut server.serving).await.unwrap().unwrap();
    assert_eq!(fs::read_to_string(&server.path).unwrap(), "another's");
}

#[tokio::test]
async fn of_many_that_want_one_place_one_gets_it() {
    let folder = TempDir::new().unwrap();
    let path = folder.path().join("mcp.sock");
    for _ in 0..20 {
        drop(UnixListener::bind(&path).unwrap());
        let all: Vec<_> = (0..8)
            .map(|_| {
                let path = path.clone();
                tokio::spawn(async move { Listener::bind(&path, Config::default()).await })
            })
            .collect();
        let mut won = Vec::new();
        for one in all {
            match one.await.unwrap() {
                Ok(listener) => won.push(listener),
                Err(refused) => assert!(matches!(refused, Refused::InUse(_)), "{refused}"),
            }
        }
        assert_eq!(won.len(), 1);
        assert!(path.exists());
        drop(won);
        assert!(!path.exists());
    }
}

#[tokio::test]
async fn mistakes_are_explained() {
    let folder = TempDir::new().unwrap();
    let missing = folder.path().join("no/such/folder/mcp.sock");
    let refused = Listener::bind(&missing, Config::default()).await.unwrap_err().to_string();
    assert!(refused.contains("no/such/folder") && refused.contains("No such file"), "{refused}");
    let long = folder.path().join("x".repeat(120));
    let refused = Listener::bind(&long, Config::default()).await.unwrap_err();
    assert!(matches!(refused, Refused::TooLong(_)) && refused.to_string().contains("too long"), "{refused}");
}
