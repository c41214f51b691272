//! Asking for lists, with a key that the person at the desk let read for a while.

use wardkey_schemas::action::{Act, OrderSent, Outcome, Target};
use wardkey_schemas::alert::AlertRow;
use wardkey_schemas::delivery::DeliveryRow;
use wardkey_schemas::ids::DeviceId;
use wardkey_schemas::jws::Sealed;
use wardkey_schemas::order::Mode;
use wardkey_schemas::query::{
    Answer, Impact, KeyRow, LaptopRow, OrderRow, PolicyRow, Question, READER_LASTS_MOST, RecordRow,
    RequestRow, SessionRow,
};
use wardkey_schemas::{Code, Refusal, limits};
use wardkey_token::message::MessageError;

use super::Desk;
use crate::clock;
use crate::failure::Failure;
use crate::permission::{Allowed, NewReaderKey, Permission, PermissionFile};
use crate::private_file;

/// Where the permission to read is.
#[derive(Clone, Debug)]
pub(super) enum Slot {
    /// In a file, for the next command as well.
    File(PermissionFile),
    /// In memory: it ends with this command.
    Memory,
}

/// What keyd says no with when a permission is over, or another program has overtaken it; then a
/// person has to give a new one.
const WORN_OUT: &[Code] = &[Code::NonceExpired, Code::NonceUsed, Code::SignerUnknown];

impl Desk {
    /// The site's laptops.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn laptops(&mut self) -> Result<Vec<LaptopRow>, Failure> {
        let answer = self.ask(Question::Laptops).await?;
        if let Answer::Laptops(rows) = answer {
            return Ok(rows);
        }
        Err(another_answer())
    }

    /// The site's security keys.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn keys(&mut self) -> Result<Vec<KeyRow>, Failure> {
        let answer = self.ask(Question::Keys).await?;
        if let Answer::Keys(rows) = answer {
            return Ok(rows);
        }
        Err(another_answer())
    }

    /// The site's visits, newest first.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn sessions(&mut self) -> Result<Vec<SessionRow>, Failure> {
        let answer = self.ask(Question::Sessions).await?;
        if let Answer::Sessions(rows) = answer {
            return Ok(rows);
        }
        Err(another_answer())
    }

    /// The orders to a laptop, newest first.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn orders(&mut self, device: DeviceId) -> Result<Vec<OrderRow>, Failure> {
        let answer = self.ask(Question::Orders { device }).await?;
        if let Answer::Orders(rows) = answer {
            return Ok(rows);
        }
        Err(another_answer())
    }

    /// How far these orders have come, as many as there are.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn deliveries(&mut self, sent: &[OrderSent]) -> Result<Vec<DeliveryRow>, Failure> {
        let mut all = Vec::new();
        for orders in sent.chunks(limits::DELIVERIES) {
            let orders = orders.to_vec();
            let Answer::Delivery(rows) = self.ask(Question::Delivery { orders }).await? else {
                return Err(another_answer());
            };
            all.extend(rows);
        }
        Ok(all)
    }

    /// The record, newest first, before `before`.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn record(&mut self, before: Option<u64>) -> Result<Vec<RecordRow>, Failure> {
        let answer = self.ask(Question::Record { before }).await?;
        if let Answer::Record(rows) = answer {
            return Ok(rows);
        }
        Err(another_answer())
    }

    /// The site's policy.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn policy(&mut self) -> Result<PolicyRow, Failure> {
        let answer = self.ask(Question::Policy).await?;
        if let Answer::Policy(row) = answer {
            return Ok(row);
        }
        Err(another_answer())
    }

    /// What a stop would do.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn impact(&mut self, target: &Target, mode: Mode) -> Result<Impact, Failure> {
        let target = target.clone();
        let answer = self.ask(Question::Impact { target, mode }).await?;
        if let Answer::Impact(impact) = answer {
            return Ok(impact);
        }
        Err(another_answer())
    }

    /// What waits for a second person, newest first.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn requests(&mut self) -> Result<Vec<RequestRow>, Failure> {
        let answer = self.ask(Question::Requests).await?;
        if let Answer::Requests(rows) = answer {
            return Ok(rows);
        }
        Err(another_answer())
    }

    /// What somebody should look at, newest first.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn alerts(&mut self) -> Result<Vec<AlertRow>, Failure> {
        let answer = self.ask(Question::Alerts).await?;
        if let Answer::Alerts(rows) = answer {
            return Ok(rows);
        }
        Err(another_answer())
    }

    async fn ask(&mut self, question: Question) -> Result<Answer, Failure> {
        let slot = self.slot()?;
        let _turn = self.turn(&slot)?;
        let kept = self.find_kept(&slot)?;
        let now = clock::now();
        let mut permission = match kept.filter(|kept| kept.is_good(&self.settings, now)) {
            Some(permission) => permission,
            None => self.allow_reading(&slot).await?,
        };
        let answer = match self.put(&slot, &mut permission, &question).await {
            Err(failure) if failure.is_refused_with(WORN_OUT) => {
                permission = self.allow_reading(&slot).await?;
                self.put(&slot, &mut permission, &question).await
            }
            other => other,
        };
        if matches!(slot, Slot::Memory) {
            self.unkept = Some(permission);
        }
        answer
    }

    /// Puts one question; its counter is on disk before it leaves.
    async fn put(
        &self,
        slot: &Slot,
        permission: &mut Permission,
        question: &Question,
    ) -> Result<Answer, Failure> {
        let about = self.about.as_ref();
        let query = permission
            .sign(question, about)
            .map_err(MessageError::from)?;
        if let Slot::File(file) = slot {
            file.keep(permission)?;
        }
        Ok(self.keyd.post("/v1/queries", &Sealed::new(query)).await?)
    }

    /// Gives a new permission in the place of whatever is there, with PIN and touch.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub async fn login(&mut self) -> Result<(Permission, bool), Failure> {
        let slot = self.slot()?;
        let _turn = self.turn(&slot)?;
        let permission = self.allow_reading(&slot).await?;
        Ok((permission, matches!(slot, Slot::File(_))))
    }

    /// Forgets the permission to read; says whether there was one.
    ///
    /// # Errors
    ///
    /// [`Failure`].
    pub fn logout(&mut self) -> Result<bool, Failure> {
        let slot = self.slot()?;
        let _turn = self.turn(&slot)?;
        match &slot {
            Slot::File(file) => file.forget(),
            Slot::Memory => Ok(self.unkept.take().is_some()),
        }
    }

    async fn allow_reading(&mut self, slot: &Slot) -> Result<Permission, Failure> {
        let operator = self.operator().await?;
        let key = NewReaderKey::generate()?;
        let act = Act::OpenReader {
            reader_key: *key.public(),
            lasts: READER_LASTS_MOST,
        };
        self.output
            .talk("reading takes your signature once in a quarter of an hour");
        let begun = clock::now();
        let answer = self
            .act(act, "let this program read for a quarter of an hour")
            .await?;
        let Outcome::ReaderOpened { reader, lasts } = answer.outcome else {
            return Err(not_the_answer("another outcome", "a permission to read"));
        };
        let allowed = Allowed {
            reader,
            // Counted from before keyd gave it, so that it is never thought longer than it is.
            ends_at: begun.plus(lasts),
            serial: operator.token().serial(),
            role: operator.person().role(),
        };
        let permission = key.allowed(&allowed, &self.settings);
        if let Slot::File(file) = slot {
            file.keep(&permission)?;
        }
        Ok(permission)
    }

    fn turn(&self, slot: &Slot) -> Result<Option<private_file::Lock>, Failure> {
        let output = self.output;
        let waiting = || output.talk("waiting for another `wardkey` that is reading just now");
        match slot {
            Slot::File(file) => file.lock(waiting).map(Some),
            Slot::Memory => Ok(None),
        }
    }

    fn find_kept(&mut self, slot: &Slot) -> Result<Option<Permission>, Failure> {
        match slot {
            Slot::File(file) => file.find(),
            Slot::Memory => Ok(self.unkept.take()),
        }
    }

    /// Where the permission to read is for this command: what the settings say; else the file of the
    /// security key in sight; else the only one of the site that is still good.
    fn slot(&mut self) -> Result<Slot, Failure> {
        if let Some(slot) = &self.slot {
            return Ok(slot.clone());
        }
        let slot = self.choose_slot()?;
        self.slot = Some(slot.clone());
        Ok(slot)
    }

    fn choose_slot(&self) -> Result<Slot, Failure> {
        if let Some(path) = &self.settings.reader_file {
            return Ok(Slot::File(PermissionFile::at(path.clone())));
        }
        let Some(folder) = &self.environment.runtime else {
            self.output.talk(
                "XDG_RUNTIME_DIR is not set: the permission to read ends with this command; \
                 --reader-file keeps it",
            );
            return Ok(Slot::Memory);
        };
        private_file::make_folder(folder)?;
        let site = &self.settings.site;
        if let Some(serial) = self.serial_in_sight() {
            return Ok(Slot::File(PermissionFile::usual(folder, site, serial)));
        }
        let now = clock::now();
        let mut good = Vec::new();
        for file in PermissionFile::all(folder, site)? {
            let found = file.find()?;
            if found.is_some_and(|found| found.is_good(&self.settings, now)) {
                good.push(file);
            }
        }
        match (good.pop(), good.is_empty()) {
            (Some(only), true) => Ok(Slot::File(only)),
            (Some(_), false) => Err(Failure::usage(
                "several people's permissions to read are at hand",
                "name your security key with --serial",
            )),
            // No permission and no security key in sight: the search for one says what is missing.
            (None, _) => {
                let readers = wardkey_token::Readers::connect()?;
                let token = crate::operator::find_token(&readers, None)?;
                let file = PermissionFile::usual(folder, site, token.serial());
                Ok(Slot::File(file))
            }
        }
    }
}

fn another_answer() -> Failure {
    not_the_answer("the answer to another question", "what was asked for")
}

/// An answer to another question than the one that was asked.
pub(crate) fn not_the_answer(found: &str, wanted: &str) -> Failure {
    Failure::not_believed(Refusal::new(Code::AnswerNotBelieved, found, wanted))
}
