//! Named rules over a principal, as hubs and methods require them. A rule only looks at the principal: what
//! depends on a method's arguments is the hub author's code.

use std::fmt;
use std::sync::Arc;

use hubward_types::Principal;

/// A rule that decides who is allowed.
///
/// ```
/// use hubward_auth::{Decision, Policy};
/// use hubward_types::Principal;
///
/// let policy = Policy::any_role(["doctor"]).and(Policy::claim("department", ["cardiology"]));
/// let nurse = Principal::builder().user_id("alice").role("nurse").build();
/// assert_eq!(policy.check(&nurse), Decision::Forbidden);
/// assert_eq!(policy.check(&Principal::anonymous()), Decision::Unauthenticated);
/// ```
#[derive(Clone)]
pub struct Policy {
    /// All of them must allow.
    rules: Vec<Rule>,
}

#[derive(Clone)]
enum Rule {
    Authenticated,
    AnyRole(Arc<[String]>),
    Claim(Arc<str>, Arc<[String]>),
    Custom(Arc<dyn Fn(&Principal) -> bool + Send + Sync>),
}

/// What a [`Policy`] says about a principal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The principal is allowed.
    Allowed,
    /// The principal is anonymous, and a token could change the decision. In HTTP: 401.
    Unauthenticated,
    /// This principal is not allowed. In HTTP: 403.
    Forbidden,
}

impl Policy {
    /// Allows everybody who is authenticated.
    pub fn authenticated() -> Self {
        Rule::Authenticated.into()
    }

    /// Allows those who have at least one of these roles. Case matters; an empty list allows nobody.
    pub fn any_role(roles: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Rule::AnyRole(roles.into_iter().map(Into::into).collect()).into()
    }

    /// Allows those of whom some value of a claim is one of these. Case matters; an empty list allows nobody.
    pub fn claim(name: impl Into<String>, allowed: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Rule::Claim(name.into().into(), allowed.into_iter().map(Into::into).collect()).into()
    }

    /// Allows those for whom a function returns true. It is called for anonymous principals too.
    pub fn custom(rule: impl Fn(&Principal) -> bool + Send + Sync + 'static) -> Self {
        Rule::Custom(Arc::new(rule)).into()
    }

    /// Allows those whom both policies allow.
    pub fn and(mut self, other: Self) -> Self {
        self.rules.extend(other.rules);
        self
    }

    /// Returns whether it allows no anonymous principal. What a [custom](Self::custom) rule allows is not known.
    pub fn requires_authentication(&self) -> bool {
        self.rules.iter().any(|rule| !matches!(rule, Rule::Custom(_)))
    }

    /// Decides whether a principal is allowed.
    pub fn check(&self, principal: &Principal) -> Decision {
        if self.rules.iter().all(|rule| rule.allows(principal)) {
            Decision::Allowed
        } else if principal.is_authenticated() {
            Decision::Forbidden
        } else {
            Decision::Unauthenticated
        }
    }
}

impl Rule {
    fn allows(&self, principal: &Principal) -> bool {
        match self {
            Self::Authenticated => principal.is_authenticated(),
            Self::AnyRole(roles) => roles.iter().any(|role| principal.has_role(role)),
            Self::Claim(name, allowed) => {
                principal.claims(name).any(|value| allowed.iter().any(|allowed| allowed == value))
            }
            Self::Custom(rule) => rule(principal),
        }
    }
}

impl From<Rule> for Policy {
    fn from(rule: Rule) -> Self {
        Self { rules: vec![rule] }
    }
}

impl fmt::Debug for Policy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Policy")?;
        f.debug_list().entries(&self.rules).finish()
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Authenticated => f.write_str("authenticated"),
            Self::AnyRole(roles) => write!(f, "any role of {roles:?}"),
            Self::Claim(name, allowed) => write!(f, "claim {name:?} in {allowed:?}"),
            Self::Custom(_) => f.write_str("custom"),
        }
    }
}

/// Policies by name. Names are matched without regard to ASCII case, as ASP.NET Core does.
///
/// ```
/// use hubward_auth::{Policies, Policy};
///
/// let policies = Policies::new().with("DoctorsOnly", Policy::any_role(["doctor"]));
/// assert!(policies.get("doctorsonly").is_some());
/// ```
#[derive(Clone, Debug, Default)]
pub struct Policies {
    named: Vec<(String, Policy)>,
}

impl Policies {
    /// Makes an empty set.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a policy, or replaces the one of that name.
    pub fn with(mut self, name: impl Into<String>, policy: Policy) -> Self {
        let name = name.into();
        self.named.retain(|(known, _)| !known.eq_ignore_ascii_case(&name));
        self.named.push((name, policy));
        self
    }

    /// Returns the policy of a name.
    pub fn get(&self, name: &str) -> Option<&Policy> {
        self.named.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, policy)| policy)
    }

    /// Returns the names, in the order they were added.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.named.iter().map(|(name, _)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Decision::{Allowed, Forbidden, Unauthenticated};

    fn check(policy: &Policy, anonymous: Decision, nurse: Decision, doctor: Decision) {
        let claims = Principal::builder().claim("ward", "7").claim("ward", "8");
        let principals = [
            (Principal::anonymous(), anonymous),
            (claims.clone().user_id("n").role("nurse").build(), nurse),
            (claims.user_id("d").role("nurse").role("doctor").claim("department", "ICU").build(), doctor),
        ];
        for (principal, expected) in principals {
            assert_eq!(policy.check(&principal), expected, "{policy:?} for {principal:?}");
        }
    }

    #[test]
    fn a_rule_distinguishes_anonymous_from_forbidden() {
        check(&Policy::authenticated(), Unauthenticated, Allowed, Allowed);
        check(&Policy::any_role(["doctor", "admin"]), Unauthenticated, Forbidden, Allowed);
        check(&Policy::any_role(["Doctor"]), Unauthenticated, Forbidden, Forbidden);
        check(&Policy::claim("ward", ["8", "9"]), Unauthenticated, Allowed, Allowed);
        check(&Policy::claim("department", ["ICU"]), Unauthenticated, Forbidden, Allowed);
        check(&Policy::claim("department", ["icu"]), Unauthenticated, Forbidden, Forbidden);
    }

    #[test]
    fn an_empty_list_allows_nobody() {
        check(&Policy::any_role([""; 0]), Unauthenticated, Forbidden, Forbidden);
        check(&Policy::claim("ward", [""; 0]), Unauthenticated, Forbidden, Forbidden);
    }

    #[test]
    fn both_sides_of_and_must_allow() {
        let staff = Policy::any_role(["nurse", "doctor"]);
        check(&staff.clone().and(Policy::any_role(["doctor"])), Unauthenticated, Forbidden, Allowed);
        check(&Policy::any_role(["doctor"]).and(staff), Unauthenticated, Forbidden, Allowed);
    }

    #[test]
    fn a_custom_rule_may_allow_anonymous_principals() {
        check(&Policy::custom(|_| true), Allowed, Allowed, Allowed);
        check(&Policy::custom(|who| who.has_role("doctor")), Unauthenticated, Forbidden, Allowed);
    }

    #[test]
    fn a_policy_is_found_by_its_name_in_any_case_and_the_last_one_counts() {
        let policies = Policies::new()
            .with("Staff", Policy::authenticated())
            .with("DoctorsOnly", Policy::any_role(["doctor"]))
            .with("staff", Policy::any_role(["nurse"]));
        assert_eq!(policies.names().collect::<Vec<_>>(), ["DoctorsOnly", "staff"]);
        check(policies.get("STAFF").unwrap(), Unauthenticated, Allowed, Allowed);
        assert!(policies.get("other").is_none());
    }
}
