//! Clients that have another connection told in their place.

use super::{flat, id, names, next, silent, tracker, until_figure};
use crate::support::with_each_number_of_shards;

#[test]
fn a_subscriber_of_the_old_protocol_is_told_in_the_form_of_messages() {
    with_each_number_of_shards(&[], |server| {
        let mut writer = server.client();
        for _ in 0..6 {
            let mut told = server.client();
            let told_id = id(&mut told);
            told.words("SUBSCRIBE __redis__:invalidate");
            let mut client = server.client();
            let line = format!("CLIENT TRACKING ON REDIRECT {told_id}");
            assert_eq!(flat(&client.words(&line)), "OK");
            assert_eq!(client.words("CLIENT GETREDIR").integer(), told_id);
            let info = flat(&client.words("CLIENT INFO"));
            assert!(info.contains(&format!(" redir={told_id} ")), "{info}");
            for key in names(6) {
                client.words(&format!("GET {key}"));
                writer.words(&format!("SET {key} 1"));
                assert_eq!(
                    next(&mut told),
                    format!("message __redis__:invalidate {key}")
                );
            }
            writer.words("FLUSHALL");
            assert_eq!(next(&mut told), "message __redis__:invalidate null");
            silent(&mut client);
        }
    });
}

#[test]
fn who_has_not_subscribed_is_not_told() {
    with_each_number_of_shards(&[], |server| {
        let mut told = server.client();
        let told_id = id(&mut told);
        let mut client = server.client();
        client.words(&format!("CLIENT TRACKING ON REDIRECT {told_id} BCAST"));
        client.words("SET a 1");
        silent(&mut told);
        told.words("HELLO 3");
        client.words("SET a 1");
        assert_eq!(next(&mut told), "invalidate a");
        silent(&mut client);
    });
}

#[test]
fn it_is_said_when_the_other_has_gone() {
    with_each_number_of_shards(&[], |server| {
        let mut admin = server.client();
        for round in 0..6 {
            let mut told = server.client();
            let told_id = id(&mut told);
            told.words("SUBSCRIBE __redis__:invalidate");
            let line = format!("CLIENT TRACKING ON REDIRECT {told_id}");
            let mut client = tracker(server, &line);
            client.words("GET a");
            until_figure(&mut admin, "connected_clients", 3);
            drop(told);
            until_figure(&mut admin, "connected_clients", 2);
            admin.words(&format!("SET a {round}"));
            let expected = format!("tracking-redir-broken {told_id}");
            assert_eq!(next(&mut client), expected);
            let info = flat(&client.words("CLIENT TRACKINGINFO"));
            let expected = format!("flags on broken_redirect redirect {told_id} prefixes ");
            assert_eq!(info, expected);
            let info = flat(&client.words("CLIENT INFO"));
            assert!(info.contains(" flags=tR "), "{info}");
            client.words("CLIENT TRACKING OFF");
            drop(client);
            until_figure(&mut admin, "connected_clients", 1);
        }
    });
}
