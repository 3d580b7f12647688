//! What can be sent as the arguments of a call: a tuple, by value or by reference, or a list. Not a bare value, so that
//! `&(a, b)` cannot mean one argument where `(a, b)` means two.

use serde::Serialize;

use crate::error::EncodeError;
use crate::json::value as json;
use crate::messagepack::value as messagepack;
use crate::protocol::Protocol;

/// The arguments of a call: a tuple of up to twelve values, `(value,)` for one, `()` for none, or a [`List`] of values
/// of one type. A reference to a tuple is the same as the tuple.
///
/// ```
/// use hubward_proto::{Protocol, encode};
///
/// let two = encode::invocation(Protocol::Json, None, "reminder", &("Round", 9))?;
/// let one = encode::invocation(Protocol::Json, None, "reminder", &(vec!["Round"],))?;
/// assert!(two.message().ends_with(b"\"arguments\":[\"Round\",9]}\x1e"));
/// assert!(one.message().ends_with(b"\"arguments\":[[\"Round\"]]}\x1e"));
/// # Ok::<(), hubward_proto::EncodeError>(())
/// ```
///
/// A bare value does not compile:
///
/// ```compile_fail,E0277
/// use hubward_proto::{Protocol, encode};
///
/// let one = encode::invocation(Protocol::Json, None, "reminder", "Round");
/// ```
#[diagnostic::on_unimplemented(
    message = "arguments of a call are a tuple, and `{Self}` is not one",
    label = "to send it as the only argument, write `(value,)`",
    note = "pass a tuple of values that implement `serde::Serialize`: `(value,)` for one argument, `()` for none"
)]
pub trait Arguments {
    /// Appends the arguments to `out` as an array, encoded in `protocol`.
    ///
    /// # Errors
    ///
    /// If a value cannot be encoded in that protocol.
    fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) -> Result<(), EncodeError>;
}

/// Arguments of one type, one for each item: for methods with a varying number of parameters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<T>(pub Vec<T>);

impl<T: Serialize> Arguments for List<T> {
    fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let mut array = Array::begin(protocol, self.0.len(), out);
        for value in &self.0 {
            array.item(value)?;
        }
        array.end();
        Ok(())
    }
}

impl<A: Arguments + ?Sized> Arguments for &A {
    fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        (**self).encode(protocol, out)
    }
}

/// An array that is being written.
struct Array<'a> {
    protocol: Protocol,
    out: &'a mut Vec<u8>,
    started: bool,
}

impl<'a> Array<'a> {
    fn begin(protocol: Protocol, count: usize, out: &'a mut Vec<u8>) -> Self {
        match protocol {
            Protocol::Json => out.push(b'['),
            Protocol::MessagePack => messagepack::write_array_header(out, count),
        }
        Self { protocol, out, started: false }
    }

    fn item<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), EncodeError> {
        match self.protocol {
            Protocol::Json => {
                if std::mem::replace(&mut self.started, true) {
                    self.out.push(b',');
                }
                json::write(self.out, value)
            }
            Protocol::MessagePack => messagepack::write(self.out, value),
        }
    }

    fn end(self) {
        if self.protocol == Protocol::Json {
            self.out.push(b']');
        }
    }
}

macro_rules! tuples {
    ($($count:literal: $($name:ident)*;)*) => { $(
        impl<$($name: Serialize),*> Arguments for ($($name,)*) {
            fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) -> Result<(), EncodeError> {
                #[expect(non_snake_case, reason = "each value is named like its type")]
                let ($($name,)*) = self;
                let mut array = Array::begin(protocol, $count, out);
                $(array.item($name)?;)*
                array.end();
                Ok(())
            }
        }
    )* };
}

tuples! {
    1: A;
    2: A B;
    3: A B C;
    4: A B C D;
    5: A B C D E;
    6: A B C D E F;
    7: A B C D E F G;
    8: A B C D E F G H;
    9: A B C D E F G H I;
    10: A B C D E F G H I J;
    11: A B C D E F G H I J K;
    12: A B C D E F G H I J K L;
}

impl Arguments for () {
    fn encode(&self, protocol: Protocol, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        Array::begin(protocol, 0, out).end();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded<A: Arguments>(protocol: Protocol, arguments: &A) -> Vec<u8> {
        let mut out = Vec::new();
        arguments.encode(protocol, &mut out).unwrap();
        out
    }

    #[test]
    fn a_reference_to_a_tuple_is_the_same_arguments_as_the_tuple() {
        let tuple = ("Round", 9);
        for protocol in Protocol::ALL {
            assert_eq!(encoded::<&(&str, i32)>(protocol, &&tuple), encoded::<(&str, i32)>(protocol, &tuple));
        }
    }
}
