//! Confirming an enrolment on another screen, by phrase and tag or serial number; marking the spare.

use wardkey_schemas::action::Act;
use wardkey_told::Exit;

use super::{About, finish, note_or_none};
use crate::cli::{ConfirmKey, ConfirmLaptop, Spare};
use crate::desk::{Chosen, Desk};
use crate::failure::Failure;
use crate::target::{Found, NotAName, Typed};

/// `wardkey confirm laptop`
pub(super) async fn laptop(desk: &mut Desk, confirm: ConfirmLaptop) -> Result<Exit, Failure> {
    let typed: Typed = confirm
        .tag
        .as_str()
        .parse()
        .map_err(|error: NotAName| Failure::usage(error.to_string(), "name a laptop"))?;
    let laptop = desk.choose_laptop(&typed).await?;
    let act = Act::ConfirmLaptop {
        device: laptop.device,
        asset: confirm.tag,
        phrase: confirm.phrase,
    };
    let about = About::from(&Chosen::from(Found::Laptop(laptop)));
    let answer = desk.act(act, &format!("confirm {}", about.name)).await?;
    finish(desk, &answer, &about, false).await
}

/// `wardkey confirm key`
pub(super) async fn key(desk: &mut Desk, confirm: ConfirmKey) -> Result<Exit, Failure> {
    let key = desk.choose_key(&confirm.key).await?;
    let act = Act::ConfirmKey {
        key: key.key,
        phrase: confirm.phrase,
    };
    let about = About::from(&Chosen::from(Found::Key(key)));
    let answer = desk.act(act, &format!("confirm {}", about.name)).await?;
    finish(desk, &answer, &about, false).await
}

/// `wardkey key spare`
pub(super) async fn spare(desk: &mut Desk, spare: Spare) -> Result<Exit, Failure> {
    let note = note_or_none(spare.note)?;
    let key = desk.choose_key(&spare.key).await?;
    let act = Act::MarkSpare {
        key: key.key,
        spare: !spare.no_longer,
        note,
    };
    let about = About::from(&Chosen::from(Found::Key(key)));
    let what = if spare.no_longer {
        "no longer the site's spare"
    } else {
        "the site's spare"
    };
    let answer = desk.act(act, &format!("{}: {what}", about.name)).await?;
    finish(desk, &answer, &about, false).await
}
