//! A line for the people in front of a laptop.

use wardkey_schemas::action::Act;
use wardkey_told::Exit;

use super::{About, finish};
use crate::cli::Message;
use crate::desk::{Chosen, Desk};
use crate::failure::Failure;
use crate::target::Found;

/// `wardkey message`
pub(super) async fn message(desk: &mut Desk, message: Message) -> Result<Exit, Failure> {
    let laptop = desk.choose_laptop(&message.laptop).await?;
    let act = Act::Message {
        device: laptop.device,
        text: message.text,
    };
    let about = About::from(&Chosen::from(Found::Laptop(laptop)));
    let answer = desk.act(act, &format!("tell {}", about.name)).await?;
    finish(desk, &answer, &about, message.watch).await
}
