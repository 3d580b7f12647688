//! Null, which every reference in .NET may be, and the exceptions with which ASP.NET Core's methods reject it.

use hubward::HubError;

/// A string that may be null, as .NET's `string`.
pub(crate) type NullableString = Option<String>;

/// A list of strings that may be null, as may its items: .NET's `string[]`.
pub(crate) type NullableStrings = Option<Vec<NullableString>>;

macro_rules! exceptions {
    ($($name:ident)*) => { $(
        /// The exception of this name in .NET, with its message.
        #[derive(Debug)]
        pub(crate) struct $name(pub(crate) String);

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::error::Error for $name {}
    )* };
}

exceptions! { ArgumentNullException ArgumentOutOfRangeException InvalidOperationException NullReferenceException }

/// The message of a `HubException` that is made without one.
pub(crate) const HUB_EXCEPTION: &str =
    "Exception of type 'Microsoft.AspNetCore.SignalR.HubException' was thrown.";

/// Returns a value that must not be null. `parameter` is its name in .NET.
pub(crate) fn not_null<T>(value: Option<T>, parameter: &str) -> Result<T, HubError> {
    value.ok_or_else(|| {
        ArgumentNullException(format!("Value cannot be null. (Parameter '{parameter}')")).into()
    })
}

/// Returns a list that must not be null, without its null items: no connection and no user has such an id.
pub(crate) fn non_null_items(values: NullableStrings) -> Result<Vec<String>, HubError> {
    Ok(not_null(values, "source")?.into_iter().flatten().collect())
}

/// Returns a list that may be null, which counts as empty.
pub(crate) fn exclusions(values: NullableStrings) -> Vec<String> {
    values.into_iter().flatten().flatten().collect()
}

/// Returns a list of group names, of which none may be null or empty.
pub(crate) fn group_names(values: NullableStrings) -> Result<Vec<String>, HubError> {
    let null_list = || NullReferenceException("Object reference not set to an instance of an object.".into());
    let named = |name: NullableString| {
        name.filter(|name| !name.is_empty())
            .ok_or_else(|| InvalidOperationException("Cannot send to an empty group name.".into()).into())
    };
    values.ok_or_else(null_list)?.into_iter().map(named).collect()
}
