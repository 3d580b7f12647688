//! Whether the backplane works, and the error of a call while it does not.

use hubward_backplane::BackplaneError;

use crate::error::RedisFailure;

#[derive(Clone, Default)]
pub(super) enum BackplaneStatus {
    #[default]
    New,
    Up,
    Down(RedisFailure),
    Stopped,
}

impl BackplaneStatus {
    pub(super) fn check(&self) -> Result<(), BackplaneError> {
        match self {
            Self::New => Err(BackplaneError::NotStarted),
            Self::Up => Ok(()),
            Self::Down(failure) => Err(unavailable(failure.clone())),
            Self::Stopped => Err(BackplaneError::Stopped),
        }
    }

    pub(super) fn is_stopped(&self) -> bool {
        matches!(self, Self::Stopped)
    }
}

pub(super) fn unavailable(failure: RedisFailure) -> BackplaneError {
    BackplaneError::Unavailable(Some(failure.boxed()))
}
