//! Null, which every reference in .NET may be: the texts that ASP.NET Core's own methods refuse it with.

use hubward::HubError;

/// A text, as .NET's `string`.
pub(crate) type Text = Option<String>;

/// A list of texts, as .NET's `string[]`.
pub(crate) type Texts = Option<Vec<Text>>;

macro_rules! exceptions {
    ($($name:ident)*) => { $(
        /// An error of this name in .NET, with its text.
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

/// What an exception of the hub's own says where its text is null.
pub(crate) const HUB_EXCEPTION: &str =
    "Exception of type 'Microsoft.AspNetCore.SignalR.HubException' was thrown.";

/// Takes a value that must not be null, under the name of .NET's parameter.
pub(crate) fn needed<T>(value: Option<T>, parameter: &str) -> Result<T, HubError> {
    value.ok_or_else(|| {
        ArgumentNullException(format!("Value cannot be null. (Parameter '{parameter}')")).into()
    })
}

/// Takes a list that must not be null; nobody is found under a null in it.
pub(crate) fn listed(values: Texts) -> Result<Vec<String>, HubError> {
    Ok(needed(values, "source")?.into_iter().flatten().collect())
}

/// Takes a list that may be null, which is an empty one then.
pub(crate) fn excepted(values: Texts) -> Vec<String> {
    values.into_iter().flatten().flatten().collect()
}

/// Takes a list of groups, each with a name.
pub(crate) fn groups(values: Texts) -> Result<Vec<String>, HubError> {
    let unset = || NullReferenceException("Object reference not set to an instance of an object.".into());
    let named = |name: Text| {
        name.filter(|name| !name.is_empty())
            .ok_or_else(|| InvalidOperationException("Cannot send to an empty group name.".into()).into())
    };
    values.ok_or_else(unset)?.into_iter().map(named).collect()
}
