//! What a page's address says: the worklist's filters and order, never anything of a patient.

use domain::{
    AuditAction, AuditFilter, ResultSummary, SiteId, SortDirection, StudyQuery, StudySort, StudyState, StudyUid,
};
use leptos_router::params::ParamsMap;

use crate::words;

/// Studies on a page of the worklist.
pub const STUDIES_A_PAGE: u32 = 50;
/// Rows on a page of the audit trail and of the quarantine.
pub const ROWS_A_PAGE: u32 = 100;

/// The orders of the worklist, with the words of the address.
pub const SORTS: [(StudySort, &str); 6] = [
    (StudySort::Suspicion, "suspicion"),
    (StudySort::Received, "received"),
    (StudySort::StudyTime, "study_time"),
    (StudySort::Patient, "patient"),
    (StudySort::Site, "site"),
    (StudySort::State, "state"),
];

/// The worklist's query of an address; what makes no sense is left out. The search text is not in it.
pub fn worklist(map: &ParamsMap) -> StudyQuery {
    let text = |name: &str| map.get(name).filter(|text| !text.is_empty());
    StudyQuery {
        search: String::new(),
        site: text("site").map(SiteId),
        state: text("state").and_then(|text| StudyState::parse(&text)),
        result: text("result").and_then(|text| ResultSummary::parse(&text)),
        unanswered_only: text("open").is_some(),
        sort: text("sort")
            .and_then(|text| SORTS.into_iter().find(|(_, name)| *name == text).map(|(sort, _)| sort))
            .unwrap_or_default(),
        direction: if text("order").as_deref() == Some("reversed") {
            SortDirection::Reversed
        } else {
            SortDirection::Natural
        },
        page: page(map),
        per_page: STUDIES_A_PAGE,
    }
}

/// The zero-based page of an address, in which pages count from 1.
pub fn page(map: &ParamsMap) -> u32 {
    map.get("page")
        .and_then(|text| text.parse::<u32>().ok())
        .unwrap_or(1)
        .max(1)
        - 1
}

/// Pairs of an address as `?a=b&c=d`, or nothing.
#[derive(Default)]
struct Pairs(String);

impl Pairs {
    fn add(&mut self, name: &str, value: &str) {
        self.0.push(if self.0.is_empty() { '?' } else { '&' });
        self.0.push_str(name);
        self.0.push('=');
        self.0.push_str(&encode(value));
    }
}

/// Percent-encodes all but RFC 3986's unreserved characters.
pub fn encode(text: &str) -> String {
    use std::fmt::Write as _;

    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
    encoded
}

/// The part of an address that says this query again, without the search text.
pub fn worklist_search(query: &StudyQuery) -> String {
    let mut pairs = Pairs::default();
    if let Some(site) = &query.site {
        pairs.add("site", site.as_str());
    }
    if let Some(state) = query.state {
        pairs.add("state", state.as_str());
    }
    if let Some(result) = query.result {
        pairs.add("result", result.as_str());
    }
    if query.unanswered_only {
        pairs.add("open", "1");
    }
    if query.sort != StudySort::default()
        && let Some((_, name)) = SORTS.into_iter().find(|(sort, _)| *sort == query.sort)
    {
        pairs.add("sort", name);
    }
    if query.direction == SortDirection::Reversed {
        pairs.add("order", "reversed");
    }
    if query.page > 0 {
        pairs.add("page", &(query.page + 1).to_string());
    }
    pairs.0
}

/// The worklist's address.
pub fn worklist_href(query: &StudyQuery) -> String {
    format!("/{}", worklist_search(query))
}

/// A study's address; it remembers the list it was opened from.
pub fn study_href(study: &StudyUid, query: &StudyQuery) -> String {
    format!("/study/{}{}", encode(study.as_str()), worklist_search(query))
}

/// The same study with another of its images, counted from 1.
pub fn image_href(study: &StudyUid, query: &StudyQuery, image: usize) -> String {
    let mut pairs = Pairs(worklist_search(query));
    pairs.add("image", &image.to_string());
    format!("/study/{}{}", encode(study.as_str()), pairs.0)
}

/// What the audit page's address asks for. Days are days of UTC.
pub fn audit(map: &ParamsMap) -> AuditFilter {
    let text = |name: &str| {
        map.get(name)
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
    };
    AuditFilter {
        actor: text("actor"),
        action: text("action").and_then(|text| AuditAction::parse(&text)),
        object: text("object"),
        since: text("since").and_then(|text| words::day_start(&text)),
        until: text("until").and_then(|text| words::day_end(&text)),
        page: page(map),
        per_page: ROWS_A_PAGE,
    }
}

/// The audit page's address with another zero-based page and the filters of `map`.
pub fn audit_href(map: &ParamsMap, page: u32) -> String {
    let mut pairs = Pairs::default();
    for name in ["actor", "action", "object", "since", "until"] {
        if let Some(value) = map.get(name).filter(|value| !value.is_empty()) {
            pairs.add(name, &value);
        }
    }
    if page > 0 {
        pairs.add("page", &(page + 1).to_string());
    }
    format!("/audit{}", pairs.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(pairs: &[(&'static str, &str)]) -> ParamsMap {
        let mut map = ParamsMap::new();
        for (name, value) in pairs {
            map.insert(*name, (*value).to_owned());
        }
        map
    }

    #[test]
    fn an_address_says_the_query_and_back() {
        let query = StudyQuery {
            site: Some(SiteId::from("north & west")),
            state: Some(StudyState::Failed),
            result: Some(ResultSummary::Doubtful),
            unanswered_only: true,
            sort: StudySort::Patient,
            direction: SortDirection::Reversed,
            page: 3,
            per_page: STUDIES_A_PAGE,
            search: String::new(),
        };
        assert_eq!(
            worklist_search(&query),
            "?site=north%20%26%20west&state=failed&result=doubtful&open=1&sort=patient&order=reversed&page=4"
        );
        let read = worklist(&map(&[
            ("site", "north & west"),
            ("state", "failed"),
            ("result", "doubtful"),
            ("open", "1"),
            ("sort", "patient"),
            ("order", "reversed"),
            ("page", "4"),
        ]));
        assert_eq!(read, query);
    }

    #[test]
    fn nonsense_in_an_address_is_left_out() {
        let read = worklist(&map(&[
            ("state", "x"),
            ("result", ""),
            ("sort", "y"),
            ("page", "-3"),
            ("open", ""),
        ]));
        assert_eq!(
            read,
            StudyQuery {
                per_page: STUDIES_A_PAGE,
                ..StudyQuery::default()
            }
        );
        assert_eq!(page(&map(&[("page", "0")])), 0);
    }

    #[test]
    fn a_patient_never_stands_in_an_address() {
        let query = StudyQuery {
            search: "SMITH".to_owned(),
            per_page: 50,
            ..StudyQuery::default()
        };
        assert_eq!(worklist_href(&query), "/");
        assert_eq!(study_href(&StudyUid::from("1.2"), &query), "/study/1.2");
        assert_eq!(image_href(&StudyUid::from("1.2"), &query, 2), "/study/1.2?image=2");
    }

    #[test]
    fn the_audit_filter_takes_whole_days() {
        let filter = audit(&map(&[
            ("actor", " anna "),
            ("since", "2026-11-01"),
            ("until", "2026-11-01"),
        ]));
        assert_eq!(filter.actor.as_deref(), Some("anna"));
        assert_eq!(
            filter.until.map(|at| at.0 + 1 - filter.since.map_or(0, |at| at.0)),
            Some(86_400_000)
        );
    }
}
