//! Validates UTF-8 that comes in pieces, cut anywhere. It keeps at most the three bytes of an incomplete character.

#[derive(Default)]
pub(crate) struct Utf8Validator {
    partial: [u8; 4],
    length: u8,
}

impl Utf8Validator {
    /// Checks a piece; after the `last` one no character may be incomplete. Fails at the first byte that makes the
    /// text invalid, whatever follows.
    pub(crate) fn check(&mut self, mut piece: &[u8], last: bool) -> Result<(), ()> {
        while self.length > 0 {
            let Some((byte, rest)) = piece.split_first() else { break };
            piece = rest;
            *self.partial.get_mut(usize::from(self.length)).ok_or(())? = *byte;
            self.length += 1;
            match std::str::from_utf8(self.partial.get(..usize::from(self.length)).ok_or(())?) {
                Ok(_) => self.length = 0,
                Err(error) if error.error_len().is_some() => return Err(()),
                Err(_) => {}
            }
        }
        if let Err(error) = std::str::from_utf8(piece) {
            let incomplete = piece.get(error.valid_up_to()..).ok_or(())?;
            if error.error_len().is_some() || incomplete.len() >= self.partial.len() {
                return Err(());
            }
            self.partial.iter_mut().zip(incomplete).for_each(|(to, from)| *to = *from);
            self.length = incomplete.len() as u8;
        }
        if last && self.length > 0 { Err(()) } else { Ok(()) }
    }
}
