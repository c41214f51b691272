//! Commands and answers as bytes (TPM 2.0 Library Part 1, 18: command and response structure).

use tpm2_protocol::{
    TpmWriter,
    data::{TpmSt, TpmaSession, TpmsAuthCommand},
    frame::{TpmFrame, TpmHeader, TpmResponse, tpm_marshal_command},
};

use crate::{
    MalformedAnswer,
    error::ResponseCode,
    fields::{Fields, expect},
    limits::MAX_FRAME,
};

/// Size of a frame's header: tag, size and code.
pub(crate) const HEADER: usize = 10;

/// The answer to a command that succeeded.
#[derive(Debug)]
pub(crate) struct Reply {
    /// The handle of what was made, if the command makes something.
    handle: Option<u32>,
    /// The parameter area, as the TPM marshalled it.
    parameters: Vec<u8>,
}

impl Reply {
    pub(crate) fn handle(&self) -> Result<u32, MalformedAnswer> {
        self.handle.ok_or(MalformedAnswer::Truncated { missing: 4 })
    }

    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields::new(&self.parameters)
    }
}

/// What a TPM says in one frame.
#[derive(Debug)]
pub(crate) enum Answer {
    Done(Reply),
    Code(ResponseCode),
}

/// The frame of `command`, authorised by `sessions` (none, or one for each handle that needs one).
pub(crate) fn marshal(
    command: &impl TpmFrame,
    sessions: &[TpmsAuthCommand],
) -> Result<Vec<u8>, tpm2_protocol::TpmError> {
    let tag = if sessions.is_empty() {
        TpmSt::NoSessions
    } else {
        TpmSt::Sessions
    };
    let mut buffer = vec![0; MAX_FRAME];
    let mut writer = TpmWriter::new(&mut buffer);
    tpm_marshal_command(command, tag, sessions, &mut writer)?;
    let length = writer.len();
    buffer.truncate(length);
    Ok(buffer)
}

/// The size that the header of an answer announces, in bytes with the header.
pub(crate) fn announced_size(header: &[u8; HEADER]) -> Result<usize, MalformedAnswer> {
    let [_, _, size @ .., _, _, _, _] = header;
    let announced = u32::from_be_bytes(*size);
    usize::try_from(announced)
        .ok()
        .filter(|size| (HEADER..=MAX_FRAME).contains(size))
        .ok_or_else(|| MalformedAnswer::Unexpected {
            field: "responseSize",
            found: announced.into(),
            wanted: tpm2_protocol::tpm_value(MAX_FRAME),
        })
}

/// Takes an answer apart. `R` says whether a handle comes first; there are as many session areas
/// as the command had sessions.
pub(crate) fn parse_answer<R: TpmHeader>(
    frame: &[u8],
    sessions: &[TpmsAuthCommand],
) -> Result<Answer, MalformedAnswer> {
    let mut fields = Fields::new(frame);
    let tag = fields.u16()?;
    expect(
        "responseSize",
        fields.u32()?.into(),
        tpm2_protocol::tpm_value(frame.len()),
    )?;
    let code = fields.u32()?;
    if code != 0 {
        // Before the codec has its say, because it does not know the codes of makers.
        fields.finish()?;
        return Ok(Answer::Code(ResponseCode::new(code)));
    }
    TpmResponse::cast(frame)
        .and_then(|response| response.validate(R::CC))
        .map_err(MalformedAnswer::Codec)?;

    let handle = if R::HANDLES == 0 {
        None
    } else {
        Some(fields.u32()?)
    };
    if sessions.is_empty() {
        expect("tag", tag.into(), TpmSt::NoSessions.value().into())?;
        return Ok(Answer::Done(Reply {
            handle,
            parameters: fields.rest().to_vec(),
        }));
    }
    expect("tag", tag.into(), TpmSt::Sessions.value().into())?;
    let size = fields.u32()?;
    let size = usize::try_from(size).map_err(|_| MalformedAnswer::Truncated {
        missing: usize::MAX,
    })?;
    let parameters = fields.bytes(size)?.to_vec();
    for _ in sessions {
        fields.sized::<{ tpm2_protocol::constant::MAX_DIGEST_SIZE }>()?;
        fields.u8()?;
        fields.sized::<{ tpm2_protocol::constant::MAX_DIGEST_SIZE }>()?;
    }
    fields.finish()?;
    Ok(Answer::Done(Reply { handle, parameters }))
}

/// Authorisation by the empty password (`TPM_RS_PW`): every key and hierarchy of ours has none.
pub(crate) fn empty_password() -> TpmsAuthCommand {
    TpmsAuthCommand {
        session_handle: tpm2_protocol::data::TpmRh::Pw.value().into(),
        session_attributes: TpmaSession::CONTINUE_SESSION,
        ..TpmsAuthCommand::default()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use tpm2_protocol::frame::{
        TpmCreatePrimaryResponse, TpmQuoteResponse, TpmReadClockCommand, TpmReadClockResponse,
    };

    use super::*;

    /// `TPM2_ReadClock`, as a TPM answers it.
    const CLOCK: &str = "8001000000230000000000000000000000040000000000000380000000020000000001";

    fn parse<R: TpmHeader>(hex: &str, sessions: usize) -> Result<Answer, MalformedAnswer> {
        parse_answer::<R>(
            &hex::decode(hex).unwrap(),
            &vec![empty_password(); sessions],
        )
    }

    #[test]
    fn a_command_is_its_header_and_its_fields() {
        let frame = marshal(&TpmReadClockCommand { handles: [] }, &[]).unwrap();
        assert_eq!(hex::encode(frame), "80010000000a00000181");
    }

    #[test]
    fn an_answer_without_sessions_is_taken_apart() {
        let Ok(Answer::Done(reply)) = parse::<TpmReadClockResponse>(CLOCK, 0) else {
            panic!()
        };
        assert_eq!(reply.fields().rest().len(), 25);
        assert!(reply.handle().is_err());
    }

    #[test]
    fn an_answer_with_a_handle_and_a_session_is_taken_apart() {
        let frame = "80020000001b0000000080000001000000040102030400000100002a";
        assert!(
            parse::<TpmCreatePrimaryResponse>(frame, 1).is_err(),
            "one byte too many"
        );
        let frame = "80020000001b00000000800000010000000401020304000001 0000".replace(' ', "");
        let Ok(Answer::Done(reply)) = parse::<TpmCreatePrimaryResponse>(&frame, 1) else {
            panic!()
        };
        assert_eq!(reply.handle(), Ok(0x8000_0001));
        assert_eq!(reply.fields().rest(), [1, 2, 3, 4]);
    }

    #[test]
    fn an_answer_with_sessions_is_not_taken_for_one_without() {
        assert!(parse::<TpmReadClockResponse>(CLOCK, 1).is_err());
        let with_session = "80020000001700000000000000040102030400000100 00".replace(' ', "");
        assert!(parse::<TpmQuoteResponse>(&with_session, 1).is_ok());
        assert!(parse::<TpmQuoteResponse>(&with_session, 0).is_err());
        assert!(parse::<TpmQuoteResponse>(&with_session, 2).is_err());
    }

    #[test]
    fn a_code_of_a_maker_is_an_answer() {
        let Ok(Answer::Code(code)) = parse::<TpmQuoteResponse>("80010000000a00000500", 1) else {
            panic!()
        };
        assert_eq!(code.value(), 0x500);
    }

    #[test]
    fn a_header_with_an_absurd_size_is_refused() {
        let sizes = [
            (0_u32, false),
            (9, false),
            (10, true),
            (4096, true),
            (4097, false),
        ];
        for (size, right) in sizes {
            let mut header = [0; HEADER];
            header[2..6].copy_from_slice(&size.to_be_bytes());
            assert_eq!(announced_size(&header).is_ok(), right, "{size}");
        }
        assert!(announced_size(&[0xff; HEADER]).is_err());
    }

    proptest! {
        #[test]
        fn no_answer_makes_the_parser_panic(frame: Vec<u8>, sessions in 0_usize..3) {
            let sessions = vec![empty_password(); sessions];
            let parsed = parse_answer::<TpmCreatePrimaryResponse>(&frame, &sessions);
            prop_assert!(parsed.is_err() || frame.len() >= HEADER);
        }

        #[test]
        fn a_truncated_answer_is_refused(length in 0_usize..35) {
            let whole = hex::decode(CLOCK).unwrap();
            prop_assert!(parse_answer::<TpmReadClockResponse>(&whole[..length], &[]).is_err());
            // The same with a header that tells the truth about the shorter frame: the parameter
            // area is then shorter, which is for the reader of its fields to refuse.
            let mut shorter = whole[..length].to_vec();
            if length >= HEADER {
                shorter[2..6].copy_from_slice(&u32::try_from(length).unwrap().to_be_bytes());
                let parsed = parse_answer::<TpmReadClockResponse>(&shorter, &[]);
                let Ok(Answer::Done(reply)) = parsed else { panic!() };
                prop_assert!(crate::Clock::parse(reply.fields()).is_err());
            }
        }
    }
}
