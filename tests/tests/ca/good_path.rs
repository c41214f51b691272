//! From the charter to a laptop and a colleague that keyd knows, at the real service over TLS.

use wardkey_fleet::tpm::EkKind;
use wardkey_schemas::bundle::BundlePackage;
use wardkey_schemas::ids::{Generation, OrderSeq};
use wardkey_schemas::role::Role;
use wardkey_schemas::status::ObjectState;

use crate::desk::{enrol_key, enrol_laptop, vouched_by};
use crate::house::House;

#[tokio::test]
async fn a_site_enrols_its_leads_a_colleague_and_laptops_of_both_kinds() {
    let house = House::new().await;
    let [lead, other] = house.leads().await;
    let running = house.serve();
    let desk = house.client(&running);
    let bundle: BundlePackage = desk.read_from("/v1/bundle").await.unwrap();
    assert_eq!(bundle, house.fleet.caller.bundle().await.unwrap());

    let staff = enrol_key(
        &desk,
        &house,
        house.fleet.token(),
        Role::Staff,
        vouched_by(&lead),
        Some(&lead),
    );
    let staff = staff.await.unwrap();
    house.fleet.confirm_key(&staff, &other).await.unwrap();

    for kind in [EkKind::P256, EkKind::Rsa] {
        let mut laptop = house.fleet.new_laptop(&house.site, kind);
        let enrolled = enrol_laptop(&desk, &house, &mut laptop, &lead)
            .await
            .unwrap();
        assert_eq!(enrolled.generation, Generation::FIRST);
        house.fleet.confirm_laptop(&laptop, &other).await.unwrap();
        let status = laptop.seal(&laptop.status(OrderSeq::NONE));
        let status = house.fleet.caller.poll(&status).await.unwrap();
        let status = house
            .fleet
            .keys
            .open(&status.message)
            .unwrap()
            .into_message();
        assert_eq!(status.state, ObjectState::Active);
    }

    let journal = house.command(&["journal", "--json"]);
    assert!(journal.status.success());
    let entries: serde_json::Value = serde_json::from_slice(&journal.stdout).unwrap();
    // Two leads, the listener, a colleague, two laptops.
    assert_eq!(entries.as_array().unwrap().len(), 6);
    let doctor = house.command(&["doctor", "--json"]);
    let said = String::from_utf8_lossy(&doctor.stdout);
    assert!(doctor.status.success(), "{said}");
    assert!(!said.contains("warning"), "{said}");
    running.stop().unwrap();
}
