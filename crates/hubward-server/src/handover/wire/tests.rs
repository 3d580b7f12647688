//! Calls and replies are read as they were written, and no bytes make reading one panic.

use proptest::prelude::*;

use super::*;

fn prepare() -> Prepare {
    let offer = Offer {
        identity: ByteBuf::from(b"identity".to_vec()),
        user_groups: vec!["g".to_owned()],
        content_bytes: 7,
    };
    Prepare::new(
        BatchId("batch".to_owned()),
        &Owner { node: "n1".into(), epoch: Epoch::new(3) },
        5,
        vec![offer; 2],
    )
}

fn adopt(content: usize, numbers: usize) -> Adopt {
    let delivered = vec![(u64::MAX, u64::MAX); numbers];
    let content = GivenContent { place: 1, content: ByteBuf::from(vec![7; content]), delivered };
    Adopt { batch: BatchId::new(), sessions: vec![content] }
}

#[test]
fn calls_and_answers_are_read_as_they_were_written() {
    let prepare = prepare();
    assert_eq!(decode(&encode(&prepare)), Ok(prepare.clone()));
    assert_eq!(prepare.from(), Owner { node: "n1".into(), epoch: Epoch::new(3) });
    let adopt = adopt(100, 5);
    assert_eq!(decode(&encode(&adopt)), Ok(adopt));
    let cancel = Cancel { batch: BatchId::new() };
    assert_eq!(decode(&encode(&cancel)), Ok(cancel));
}

#[test]
fn nodes_of_one_version_write_the_same() {
    let bytes = encode(&prepare());
    let expected = b"\x01\x94\xa5batch\x92\xa2n1\x03\x05\x92\x93\xc4\x08identity\x91\xa1g\x07\x93\xc4\x08identity\x91\xa1g\x07";
    assert_eq!(bytes, expected);
}

#[test]
fn answers_are_for_each_session_and_what_they_do_not_name_did_not_come() {
    let refusals = [None, Some(PlaceRefusal::Draining), Some(PlaceRefusal::Other)];
    let prepared: PrepareReply = decode(&encode(&PrepareReply::new(5, refusals.into_iter()))).unwrap();
    let read: Vec<_> = (0..4).map(|place| prepared.refusal(place)).collect();
    assert_eq!(
        read,
        [None, Some(PlaceRefusal::Draining), Some(PlaceRefusal::Other), Some(PlaceRefusal::Other)]
    );
    for refusal in PlaceRefusal::ALL {
        assert_eq!(PlaceRefusal::of(refusal.number()), refusal);
    }
    let outcomes = [AdoptOutcome::Adopted, AdoptOutcome::NotAdopted, AdoptOutcome::Unclear];
    let adopted: AdoptReply = decode(&encode(&AdoptReply::new(outcomes.into_iter()))).unwrap();
    let read: Vec<_> = (0..4).map(|place| adopted.outcome(place)).collect();
    assert_eq!(
        read,
        [AdoptOutcome::Adopted, AdoptOutcome::NotAdopted, AdoptOutcome::Unclear, AdoptOutcome::Unclear]
    );
}

#[test]
fn another_version_is_not_taken_for_damage() {
    let mut bytes = encode(&prepare());
    assert_eq!(decode::<Adopt>(&bytes), Err(WireError::Malformed));
    assert_eq!(decode::<Prepare>(&bytes[..bytes.len() - 1]), Err(WireError::Malformed));
    assert_eq!(decode::<Prepare>(&[]), Err(WireError::Malformed));
    bytes[0] = 2;
    assert_eq!(decode::<Prepare>(&bytes), Err(WireError::UnknownVersion(2)));
}

#[test]
fn nothing_is_larger_than_what_a_node_writes() {
    assert!(decode::<Adopt>(&encode(&adopt(MAX_STATE_BYTES, MAX_DELIVERED))).is_ok());
    assert_eq!(decode::<Adopt>(&encode(&adopt(MAX_STATE_BYTES + 1, 0))), Err(WireError::Malformed));
    assert_eq!(decode::<Adopt>(&encode(&adopt(0, MAX_DELIVERED + 1))), Err(WireError::Malformed));
    let large = vec![VERSION; MAX_CALL_BYTES + 1];
    assert_eq!(decode::<Adopt>(&large), Err(WireError::TooLarge(MAX_CALL_BYTES + 1)));
    let mut many = prepare();
    many.sessions = vec![many.sessions[0].clone(); MAX_SESSIONS + 1];
    assert_eq!(decode::<Prepare>(&encode(&many)), Err(WireError::Malformed));
    let long = Cancel { batch: BatchId("x".repeat(MAX_ID_BYTES + 1)) };
    assert_eq!(decode::<Cancel>(&encode(&long)), Err(WireError::Malformed));
}

proptest! {
    #[test]
    fn no_bytes_make_reading_panic(mut bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _ = (decode::<Prepare>(&bytes), decode::<Adopt>(&bytes));
        bytes.insert(0, VERSION);
        let _ = (decode::<Prepare>(&bytes), decode::<PrepareReply>(&bytes));
        let _ = (decode::<Adopt>(&bytes), decode::<AdoptReply>(&bytes), decode::<Cancel>(&bytes));
    }

    #[test]
    fn no_change_of_a_call_makes_reading_panic(place in 0_usize..60, byte in any::<u8>()) {
        let mut bytes = encode(&adopt(20, 4));
        let place = place % bytes.len();
        bytes[place] = byte;
        let _ = decode::<Adopt>(&bytes);
    }
}
