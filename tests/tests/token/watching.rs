//! Tokens that come and go while somebody watches.

use std::sync::mpsc::{self, Receiver};

use wardkey_tests::reader::again::ReaderLab;
use wardkey_token::{
    Content, Exclusive, Firmware, Readers, Token, TokenEvent, TokenInfo, TokenSerial, Watcher,
};

use super::{PATIENCE, SERIAL, factory_token};

fn watch() -> (Watcher, Receiver<TokenEvent>) {
    let (send, events) = mpsc::channel();
    (
        Watcher::start(move |event| send.send(event).is_ok()).unwrap(),
        events,
    )
}

fn inserted(reader: &str, serial: u32) -> TokenEvent {
    TokenEvent::Inserted(TokenInfo {
        reader: reader.to_owned(),
        serial: TokenSerial::new(serial),
        firmware: Firmware {
            major: 5,
            minor: 7,
            patch: 4,
        },
    })
}

fn removed(reader: &str) -> TokenEvent {
    TokenEvent::Removed {
        reader: reader.to_owned(),
    }
}

fn next(events: &Receiver<TokenEvent>) -> TokenEvent {
    events.recv_timeout(PATIENCE).unwrap()
}

fn plug_new(lab: &ReaderLab, name: &str, serial: u32) -> String {
    lab.plug_new(name, serial).unwrap()
}

with_readers! {
    fn a_token_is_reported_when_it_comes_and_when_it_goes(lab) {
        let (_watcher, events) = watch();
        let reader = plug_new(lab, "staff", 7);
        assert_eq!(next(&events), inserted(&reader, 7));
        lab.desk.unplug("staff").unwrap();
        assert_eq!(next(&events), removed(&reader));
        lab.desk.plug("staff").unwrap();
        assert_eq!(next(&events), inserted(&reader, 7));
    }
}

with_readers! {
    fn a_token_that_is_there_already_is_reported_first(lab) {
        let reader = plug_new(lab, "staff", 7);
        let (_watcher, events) = watch();
        assert_eq!(next(&events), inserted(&reader, 7));
    }
}

with_readers! {
    fn two_tokens_are_told_apart(lab) {
        let (_watcher, events) = watch();
        let left = plug_new(lab, "staff", 7);
        assert_eq!(next(&events), inserted(&left, 7));
        let right = plug_new(lab, "lead", 8);
        assert_eq!(next(&events), inserted(&right, 8));
        lab.desk.unplug("staff").unwrap();
        assert_eq!(next(&events), removed(&left));
        let readers = Readers::connect().unwrap();
        let tokens = readers.tokens().unwrap();
        assert_eq!(tokens.len(), 1);
        assert_eq!(tokens[0].serial, TokenSerial::new(8));
    }
}

with_readers! {
    fn a_token_that_is_held_is_reported_once_it_is_free(lab) {
        let (_, token) = factory_token(lab);
        let exclusive = Exclusive::open(&token).unwrap();
        let (_watcher, events) = watch();
        plug_new(lab, "lead", 8);
        // The one that can be asked is reported; the held one is not.
        let TokenEvent::Inserted(lead) = next(&events) else { panic!("no insertion") };
        assert_eq!(lead.serial, TokenSerial::new(8));
        drop(exclusive);
        assert_eq!(next(&events), inserted(token.reader(), SERIAL.number()));
    }
}

with_readers! {
    fn signing_is_neither_coming_nor_going(lab) {
        let (_, token) = factory_token(lab);
        let (_watcher, events) = watch();
        assert_eq!(next(&events), inserted(token.reader(), SERIAL.number()));
        drop(Exclusive::open(&token).unwrap());
        token.defaults().unwrap();
        lab.desk.unplug("staff").unwrap();
        assert_eq!(next(&events), removed(token.reader()));
    }
}

with_readers! {
    fn a_watcher_that_waits_ends_at_once(_lab) {
        let (watcher, events) = watch();
        drop(watcher);
        assert_eq!(events.recv(), Err(mpsc::RecvError));
    }
}

with_readers! {
    fn readers_show_what_is_in_them(lab) {
        let readers = Readers::connect().unwrap();
        let contents = |readers: &Readers| -> Vec<Content> {
            readers.look().unwrap().into_iter().map(|reader| reader.content).collect()
        };
        assert_eq!(contents(&readers), [Content::Empty, Content::Empty]);
        let reader = plug_new(lab, "staff", 7);
        let token = Token::open(&reader).unwrap().info();
        assert_eq!(contents(&readers), [Content::Token(token), Content::Empty]);
        assert!(Token::open("no such reader").unwrap_err().is_gone());
    }
}
