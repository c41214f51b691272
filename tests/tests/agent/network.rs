//! The network between laptop and key service: dead, hostile, or inspecting. Whatever is not signed
//! is weather.

use serde_json::Value;

use crate::impostor::{Impostor, Mode};
use crate::ward::{TAG, Ward};

fn closes_in(status: &Value) -> u64 {
    status["visit"]["closes_in_ms"].as_u64().unwrap()
}

#[test]
fn a_call_goes_on_while_the_key_service_is_down_and_renews_when_it_is_back() {
    let mut ward = Ward::running(&[]);
    ward.activate();
    let before = ward.status();
    ward.world.kill_keyd().unwrap();
    assert_eq!(
        ward.refused(&["renew"]),
        (5, "SERVICE_UNREACHABLE".to_owned())
    );
    let status = ward.status();
    assert_eq!(status["state"], "in-room");
    assert_eq!(status["visit"]["service_reachable"], false);
    assert_eq!(
        status["heading"],
        "Call continues – key service not reachable"
    );
    assert!(closes_in(&status) < closes_in(&before), "it got longer");
    ward.await_frames();
    ward.world.start_keyd().unwrap();
    let is_renewed = |status: &Value| status["visit"]["seq"] == 1;
    ward.laptop.await_status("renewed", is_renewed).unwrap();
    assert_eq!(ward.status()["visit"]["service_reachable"], true);
    ward.await_frames();
}

#[test]
fn a_call_ends_by_itself_when_nobody_answers_for_run_for_and_grace() {
    let policy = ["run_for = 60", "renew_every = 20", "grace = 1"];
    let mut ward = Ward::running(&policy);
    ward.activate();
    ward.world.kill_keyd().unwrap();
    let is_over = |status: &Value| status["visit"] == Value::Null;
    // A minute and a second, which is as long as one wait lasts at most.
    let over = ward.laptop.await_status("closed", is_over);
    over.or_else(|_| ward.laptop.await_status("closed", is_over))
        .unwrap();
    ward.await_darkness();
    ward.world.start_keyd().unwrap();
    ward.await_told();
    assert_eq!(ward.ends(), ["lease-over"]);
}

#[test]
fn no_word_that_the_key_service_has_not_signed_ends_a_call_or_makes_it_longer() {
    let mut ward = Ward::new(&[]);
    let impostor = Impostor::between(&ward);
    ward.laptop.start().unwrap();
    ward.activate();
    assert_eq!(ward.done(&["renew"])["seq"], 1);
    let mut before = ward.status();
    for mode in [
        Mode::CaptivePortal,
        Mode::Broken,
        Mode::Garbage,
        Mode::UnsignedNo,
        Mode::ForgedStop,
        Mode::OldAnswers,
    ] {
        impostor.play(mode);
        let asked = impostor.asked();
        let (exit, code) = ward.refused(&["renew"]);
        assert!([4, 5, 2].contains(&exit), "{mode:?}: {exit} {code}");
        assert!(impostor.asked() > asked, "{mode:?}: nobody was asked");
        ward.await_frames();
        let status = ward.status();
        assert_eq!(status["state"], "in-room", "{mode:?}");
        assert_eq!(status["visit"]["seq"], 1, "{mode:?}");
        assert!(closes_in(&status) < closes_in(&before), "{mode:?}");
        before = status;
    }
    impostor.play(Mode::Relay);
    // The question that was not answered is answered now; its time counts from when it was asked.
    assert_eq!(ward.done(&["renew"])["seq"], 2);
    assert_eq!(ward.done(&["renew"])["seq"], 3);
    assert!(closes_in(&ward.status()) > closes_in(&before));
}

#[test]
fn a_laptop_without_a_link_learns_of_a_stop_by_its_poll() {
    let mut ward = Ward::new(&[]);
    let impostor = Impostor::between(&ward);
    ward.laptop.start().unwrap();
    ward.activate();
    assert_eq!(ward.status()["linked"], false);
    let officer = ward.officer.clone();
    let words = ["stop", TAG, "--lost"];
    ward.world.wardkey_done(&officer, &words).unwrap();
    ward.laptop.await_latch().unwrap();
    ward.await_darkness();
    let is_told = |status: &Value| status["outbox"] == 0;
    ward.laptop
        .await_status("free of reports", is_told)
        .unwrap();
    assert_eq!(ward.ends(), ["stopped"]);
    assert!(impostor.asked() > 0);
}

#[test]
fn a_network_that_inspects_tls_is_refused_unless_the_settings_name_it() {
    let mut ward = Ward::new(&[]);
    let _impostor = Impostor::unknown_between(&ward);
    ward.laptop.start().unwrap();
    ward.laptop.plug(&ward.staff).unwrap();
    let said = ward.try_activate();
    assert_eq!(said.code(), 5, "{}", said.out);
    ward.await_darkness();
}
