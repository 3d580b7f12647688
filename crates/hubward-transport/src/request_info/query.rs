//! The query of a request, decoded. Names are matched without regard to case, and the values of a name that comes
//! several times are joined by commas, as ASP.NET Core does it: no check reads another value than what is used.

use std::borrow::Cow;
use std::collections::HashMap;

/// Returns the value of a query parameter.
pub(crate) fn query_value<'a>(query: Option<&'a str>, name: &str) -> Option<Cow<'a, str>> {
    let values = pairs(query).filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value);
    values.reduce(joined)
}

/// Returns all pairs of a query, each name once.
pub(super) fn distinct_pairs(query: Option<&str>) -> Vec<(Cow<'_, str>, Cow<'_, str>)> {
    let mut distinct: Vec<(Cow<'_, str>, Cow<'_, str>)> = Vec::new();
    let mut places = HashMap::new();
    for (name, value) in pairs(query) {
        let place = *places.entry(name.to_ascii_lowercase()).or_insert(distinct.len());
        match distinct.get_mut(place) {
            Some((_, known)) => *known = joined(std::mem::take(known), value),
            None => distinct.push((name, value)),
        }
    }
    distinct
}

/// Returns all pairs of a query as they come.
pub(super) fn pairs(query: Option<&str>) -> form_urlencoded::Parse<'_> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes())
}

/// Joins the values of a parameter that comes twice; an empty one is left out.
fn joined<'a>(mut all: Cow<'a, str>, next: Cow<'a, str>) -> Cow<'a, str> {
    match (&*all, &*next) {
        ("", _) => next,
        (_, "") => all,
        _ => {
            all.to_mut().push(',');
            all.to_mut().push_str(&next);
            all
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_decoded_and_its_name_ignores_case() {
        let query = Some("Colour=dark%20green+blue&&empty&bad=%zz%f0&%C3%9f=%26");
        for (name, value) in [
            ("colour", Some("dark green blue")),
            ("empty", Some("")),
            ("bad", Some("%zz\u{fffd}")),
            ("ß", Some("&")),
            ("", None),
            ("none", None),
        ] {
            assert_eq!(query_value(query, name).as_deref(), value, "{name}");
        }
        assert_eq!(query_value(None, "any"), None);
    }

    #[test]
    fn the_values_of_a_repeated_name_are_joined() {
        for (query, value) in [("x=1&X=0", "1,0"), ("x=&x=1", "1"), ("x=1&x=", "1"), ("%78=1&y=2&x=3", "1,3")]
        {
            assert_eq!(query_value(Some(query), "x").as_deref(), Some(value), "{query}");
            assert_eq!(
                distinct_pairs(Some(query)).first().map(|(_, value)| &**value),
                Some(value),
                "{query}"
            );
        }
        assert_eq!(distinct_pairs(Some("a=1&b=&A=2&a&a=3")).len(), 2);
    }
}
