//! The prompt that stays up after the story, so that a person can try what they like.

use std::io::{self, BufRead as _, Write as _};
use std::process::{Child, ChildStdin, Stdio};

use wardkey_tests::reader::TouchMode;
use wardkey_tests::world::{Key, WorldError};

use crate::story::{Cast, LAPTOP};
use crate::telling::{Teller, causes};

const HELP: &str = "\
What you can do:
  plug lead|staff|officer   put a security key into the laptop
  unplug                    take it out
  activate                  ask the laptop to open the picture; then:
  pin NUMBER                  type the PIN (`keys` shows them)
  touch                       touch the security key while it waits
  renew, end                ask for the next lease; end the visit
  stop laptop-1 --lost      stop it, as the officer (also --stolen, --incident, --misuse,
                            --maintenance, each with --after-this-call where it makes sense)
  resume                    let it work again: the officer asks, the lead agrees
  enrol                     enrol it again and confirm it; what was lost must be
  status                    what the laptop says
  keys, devices, orders, log   what the service says
  quit                      end; everything that was started is gone then";

/// A prompt over the cast of the story.
#[derive(Debug)]
struct Prompt<'a> {
    cast: Cast,
    teller: &'a Teller,
    /// An activation that waits for its PIN or touch.
    activation: Option<Activation>,
}

/// An `activate` that runs, and the pipe on which its PIN goes.
#[derive(Debug)]
struct Activation {
    child: Child,
    pin: Option<ChildStdin>,
}

impl Drop for Activation {
    fn drop(&mut self) {
        // Over, or over now.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

/// Reads commands until `quit` or the end of the input.
pub(crate) fn stay_up(cast: Cast, teller: &Teller) {
    teller.say("");
    teller.say("The laptop stays up. Type what you like to try; `help` lists it, `quit` ends it.");
    let mut prompt = Prompt {
        cast,
        teller,
        activation: None,
    };
    let mut lines = io::stdin().lock().lines();
    loop {
        print!("wardkey> ");
        drop(io::stdout().flush());
        let Some(Ok(line)) = lines.next() else { break };
        let words: Vec<&str> = line.split_whitespace().collect();
        match prompt.obey(&words) {
            Ok(true) => {}
            Ok(false) => break,
            Err(error) => teller.say(&format!("that did not work: {}", causes(&error))),
        }
    }
}

impl Prompt<'_> {
    /// Does what was typed; whether to go on.
    fn obey(&mut self, words: &[&str]) -> Result<bool, WorldError> {
        match words {
            [] => {}
            ["quit" | "exit"] => return Ok(false),
            ["plug", who] => self.plug(who)?,
            ["unplug", ..] => self.unplug()?,
            ["touch"] => self.touch()?,
            ["pin", pin] => self.pin(pin)?,
            ["activate"] => self.activate()?,
            ["renew"] => self.laptop_says(&["renew"])?,
            ["end"] => self.laptop_says(&["end"])?,
            ["status"] => self.laptop_says(&["status"])?,
            ["stop", ..] | ["devices" | "sessions" | "log"] => self.officer_says(words)?,
            ["resume", ..] => self.resume()?,
            ["enrol"] => self.enrol()?,
            ["orders"] => self.officer_says(&["orders", LAPTOP])?,
            ["keys"] => {
                let Cast {
                    lead,
                    staff,
                    officer,
                    ..
                } = &self.cast;
                for key in [lead, staff, officer] {
                    self.teller.say(&format!(
                        "{:<8} serial {}  PIN {}",
                        key.name, key.serial, key.pin
                    ));
                }
                self.officer_says(words)?;
            }
            ["help" | "?"] => self.teller.say(HELP),
            _ => self
                .teller
                .say(&format!("`{}` is not known here. {HELP}", words.join(" "))),
        }
        Ok(true)
    }

    fn plugged(&self) -> Result<Option<String>, WorldError> {
        let mut cards = self.cast.laptop.readers().plugged()?;
        Ok(cards.pop().map(|card| card.name))
    }

    fn plug(&mut self, who: &str) -> Result<(), WorldError> {
        if let Some(other) = self.plugged()? {
            self.teller
                .say(&format!("the {other} key is in; `unplug` it first"));
            return Ok(());
        }
        let readers = self.cast.laptop.readers();
        readers.plug(who)?;
        readers.set_touch_mode(who, TouchMode::Manual)?;
        self.teller.say(&format!(
            "the {who} key is in the laptop; `activate` comes next"
        ));
        Ok(())
    }

    fn unplug(&mut self) -> Result<(), WorldError> {
        match self.plugged()? {
            Some(name) => {
                self.cast.laptop.readers().unplug(&name)?;
                self.teller.say(&format!("the {name} key is out"));
            }
            None => self.teller.say("no security key is in the laptop"),
        }
        Ok(())
    }

    fn touch(&mut self) -> Result<(), WorldError> {
        match self.plugged()? {
            Some(name) => self.cast.laptop.readers().touch(&name)?,
            None => self.teller.say("no security key is in the laptop"),
        }
        Ok(())
    }

    fn activate(&mut self) -> Result<(), WorldError> {
        let mut command = self.cast.laptop.agent_command();
        command
            .args(["activate", "--pin-fd", "0"])
            .stdin(Stdio::piped());
        let mut child = command.spawn().map_err(|error| {
            WorldError::Unexpected(format!("`wardkey-agent activate` cannot be run: {error}"))
        })?;
        let pin = child.stdin.take();
        self.activation = Some(Activation { child, pin });
        self.teller
            .say("type `pin NUMBER`, then `touch` when the security key waits for it");
        Ok(())
    }

    fn pin(&mut self, pin: &str) -> Result<(), WorldError> {
        let waiting = self
            .activation
            .as_mut()
            .and_then(|activation| activation.pin.take());
        let Some(mut pipe) = waiting else {
            self.teller
                .say("nothing waits for a PIN; `activate` comes first");
            return Ok(());
        };
        writeln!(pipe, "{pin}")
            .map_err(|error| WorldError::Unexpected(format!("the PIN was not taken: {error}")))
    }

    fn laptop_says(&self, words: &[&str]) -> Result<(), WorldError> {
        let said = self.cast.laptop.agent(words)?;
        self.teller
            .say(format!("{}{}", said.out, said.err).trim_end());
        Ok(())
    }

    /// Runs `wardkey` with the officer's key, which may not be in the laptop meanwhile.
    fn officer_says(&mut self, words: &[&str]) -> Result<(), WorldError> {
        let officer = self.cast.officer.clone();
        self.free(&officer)?;
        let said = self.cast.world.wardkey_in_words(&officer, words)?;
        self.teller
            .say(format!("{}{}", said.out, said.err).trim_end());
        Ok(())
    }

    /// Takes a key out of the laptop if it is there: its holder sits at a desk now.
    fn free(&self, key: &Key) -> Result<(), WorldError> {
        if self.plugged()?.as_deref() == Some(key.name.as_str()) {
            self.cast.laptop.unplug(key)?;
            self.teller.say(&format!(
                "the {} key went from the laptop to the desk",
                key.name
            ));
        }
        Ok(())
    }

    fn resume(&mut self) -> Result<(), WorldError> {
        let Cast { officer, lead, .. } = &self.cast;
        let (officer, lead) = (officer.clone(), lead.clone());
        self.free(&officer)?;
        self.free(&lead)?;
        let asked = self.cast.world.wardkey(&officer, &["resume", LAPTOP])?;
        let answer = asked.json();
        let request = answer
            .pointer("/outcome/request")
            .and_then(serde_json::Value::as_str);
        match (asked.code(), request) {
            (3, Some(request)) => {
                self.teller.say(&format!(
                    "the officer asked; request {request} waits for the lead"
                ));
                let words = ["agree", request];
                let agreed = self.cast.world.wardkey_in_words(&lead, &words)?;
                self.teller
                    .say(format!("{}{}", agreed.out, agreed.err).trim_end());
                self.teller
                    .say("if it was lost or stolen, it must be enrolled again: `enrol`");
            }
            (_, _) => self
                .teller
                .say(format!("{}{}", asked.out, asked.err).trim_end()),
        }
        Ok(())
    }

    fn enrol(&mut self) -> Result<(), WorldError> {
        let Cast {
            world,
            laptop,
            lead,
            officer,
            ..
        } = &mut self.cast;
        if let Some(card) = laptop.readers().plugged()?.pop() {
            laptop.readers().unplug(&card.name)?;
        }
        let phrase = world.enrol_laptop(laptop, lead)?;
        self.teller
            .say(&format!("enrolled again; its screen shows: {phrase}"));
        world.confirm_laptop(officer, laptop, &phrase)?;
        self.teller.say("the officer confirmed it; it can be used");
        Ok(())
    }
}
