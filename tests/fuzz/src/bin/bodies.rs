//! Bodies that travel unsigned, problem documents among them: any bytes as each of them.

#![no_main]

use libfuzzer_sys::fuzz_target;
use wardkey_fuzz::read_twice;
use wardkey_schemas::action::{ActionAnswer, ActionChallenge};
use wardkey_schemas::activation::{ActivationBody, LeaseAnswer};
use wardkey_schemas::bundle::{BundlePackage, ServiceKeys};
use wardkey_schemas::enrolment::{
    CompleteLaptop, LaptopChallenge, LaptopCompletion, LaptopEnrolled, LaptopHello,
};
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::key_enrolment::{
    CompleteKey, KeyChallenge, KeyCompletion, KeyEnrolled, KeyHello,
};
use wardkey_schemas::link::{Frame, LinkChallenge};
use wardkey_schemas::order::SignedAct;
use wardkey_schemas::problem::Problem;
use wardkey_schemas::query::Answer;
use wardkey_schemas::registration::{SiteHello, SiteWelcome};
use wardkey_schemas::renewal::RenewalBody;
use wardkey_schemas::session::SessionEnd;

macro_rules! each {
    ($data:expr, $($body:ty),+ $(,)?) => {
        $(let _ = std::hint::black_box(read_twice::<$body>($data));)+
    };
}

fuzz_target!(|data: &[u8]| {
    each!(
        data,
        ActionAnswer,
        ActionChallenge,
        ActivationBody,
        Answer,
        BundlePackage,
        CompleteKey,
        CompleteLaptop,
        Frame,
        KeyChallenge,
        KeyCompletion,
        KeyEnrolled,
        KeyHello,
        LaptopChallenge,
        LaptopCompletion,
        LaptopEnrolled,
        LaptopHello,
        LeaseAnswer,
        LinkChallenge,
        RenewalBody,
        Sealed<SessionEnd>,
        ServiceKeys,
        SignedAct,
        SiteHello,
        SiteWelcome,
    );
    if let Some(problem) = read_twice::<Problem>(data) {
        // Whatever a service answers, a person is told of it in one refusal.
        std::hint::black_box(problem.refusal().to_string());
    }
});
