//! The worklist: filter, search, order, page.

use domain::{Page, SiteId, SortDirection, StudyQuery, StudyRow, StudySort, StudyState};
use sea_orm::sea_query::{Expr, ExprTrait, Func};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, Order, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, Select,
};

use crate::connection::Db;
use crate::entity::study;
use crate::{Result, contains_pattern, page_bounds, to_u64};

impl Db {
    /// One page of the worklist and how many studies match in all.
    ///
    /// `only_site` is what the caller may see, on top of what the query asks for. The search text is cut into
    /// words at spaces, commas and `^`; each must occur somewhere in name, patient id, accession number or
    /// description. `Reversed` turns the whole order round, except under `Site` and `State`: there it turns
    /// the column and leaves the most suspicious first within it.
    pub async fn worklist(&self, query: &StudyQuery, only_site: Option<&SiteId>) -> Result<Page<StudyRow>> {
        let (offset, limit) = page_bounds(query.page, query.per_page);
        let txn = self.snapshot().await?;
        let mut matching = filtered(query, only_site);
        let total = match searched(query) {
            None => matching.clone().count(&txn).await?,
            Some(words) => {
                // Few matches are found in one walk over the texts, and the page is made of these. Many lie
                // close together in any order, so its index gives a page soon.
                let found = matching.clone().filter(words);
                let few = found
                    .clone()
                    .select_only()
                    .column(study::Column::Id)
                    .limit(FEW + 1)
                    .into_tuple::<i64>()
                    .all(&txn)
                    .await?;
                if few.len() as u64 <= FEW {
                    let total = few.len() as u64;
                    matching = matching.filter(study::Column::Id.is_in(few));
                    total
                } else {
                    matching = found.clone();
                    found.count(&txn).await?
                }
            }
        };
        let rows = if offset < total {
            ordered(matching, query).offset(offset).limit(limit).all(&txn).await?
        } else {
            Vec::new()
        };
        Ok(Page {
            rows: rows.into_iter().map(study::Model::into_row).collect::<Result<_>>()?,
            total,
        })
    }

    /// Every site that has a study, A to Z.
    pub async fn sites(&self) -> Result<Vec<SiteId>> {
        let sites = study::Entity::find()
            .select_only()
            .column(study::Column::Site)
            .distinct()
            .order_by_asc(study::Column::Site)
            .into_tuple::<String>()
            .all(self.read())
            .await?;
        Ok(sites.into_iter().map(SiteId).collect())
    }

    /// How many studies stand in each state; every state is listed.
    pub async fn counts(&self) -> Result<Vec<(StudyState, u64)>> {
        let counted = study::Entity::find()
            .select_only()
            .column(study::Column::State)
            .column_as(study::Column::Id.count(), "studies")
            .group_by(study::Column::State)
            .into_tuple::<(String, i64)>()
            .all(self.read())
            .await?;
        let of = |state: StudyState| {
            counted
                .iter()
                .find(|(name, _)| name == state.as_str())
                .map_or(0, |(_, n)| to_u64(*n))
        };
        Ok(StudyState::ALL.into_iter().map(|state| (state, of(state))).collect())
    }
}

/// So many matches of a search are fetched by their ids.
const FEW: u64 = 2000;

/// Further words of a search are not looked at, so that a pasted page costs no more than a question.
const MAX_WORDS: usize = 8;

fn filtered(query: &StudyQuery, only_site: Option<&SiteId>) -> Select<study::Entity> {
    let mut select = study::Entity::find();
    for site in [only_site, query.site.as_ref()].into_iter().flatten() {
        select = match query.sort {
            StudySort::Suspicion | StudySort::Site => select.filter(study::Column::Site.eq(site.as_str())),
            // Wrapped, the column cannot tempt the planner away from the order's own index, where a site with
            // many studies would have to be sorted whole.
            _ => {
                let column = Expr::col((study::Entity, study::Column::Site));
                select.filter(Expr::from(Func::coalesce([column, Expr::val("")])).eq(site.as_str()))
            }
        };
    }
    if let Some(state) = query.state {
        select = select.filter(study::Column::State.eq(state.as_str()));
    }
    if let Some(result) = query.result {
        select = select.filter(study::Column::Result.eq(result.as_str()));
    }
    if query.unanswered_only {
        select = select.filter(study::Column::Answered.eq(false));
    }
    select
}

/// The condition that every word of the search occurs; `None` where there is no word.
fn searched(query: &StudyQuery) -> Option<Condition> {
    let words = query
        .search
        .split(|c: char| c.is_whitespace() || matches!(c, ',' | '^'))
        .filter(|word| !word.is_empty())
        .take(MAX_WORDS);
    let conditions: Vec<Expr> = words
        .map(|word| {
            let column = Expr::col((study::Entity, study::Column::SearchText));
            column.like(contains_pattern(&word.to_lowercase()))
        })
        .collect();
    if conditions.is_empty() {
        return None;
    }
    Some(conditions.into_iter().fold(Condition::all(), Condition::add))
}

fn ordered(select: Select<study::Entity>, query: &StudyQuery) -> Select<study::Entity> {
    use Order::{Asc, Desc};
    use study::Column::{Id, PatientKey, ReceivedAt, Site, StateRank, StudyDate, StudyTime, SuspicionKey};
    type Columns = Vec<(study::Column, Order)>;
    // The leading columns turn round under `Reversed`, the trailing ones never do.
    let (leading, trailing): (Columns, Columns) = match query.sort {
        StudySort::Suspicion => (vec![(SuspicionKey, Asc), (ReceivedAt, Desc), (Id, Desc)], vec![]),
        StudySort::Received => (vec![(ReceivedAt, Desc), (Id, Desc)], vec![]),
        StudySort::StudyTime => (vec![(StudyDate, Desc), (StudyTime, Desc), (Id, Desc)], vec![]),
        StudySort::Patient => (vec![(PatientKey, Asc), (Id, Desc)], vec![]),
        StudySort::Site => (
            vec![(Site, Asc)],
            vec![(SuspicionKey, Asc), (ReceivedAt, Desc), (Id, Desc)],
        ),
        StudySort::State => (
            vec![(StateRank, Asc)],
            vec![(SuspicionKey, Asc), (ReceivedAt, Desc), (Id, Desc)],
        ),
    };
    let turned = |order: Order| match (query.direction, order) {
        (SortDirection::Natural, order) => order,
        (SortDirection::Reversed, Asc) => Desc,
        (SortDirection::Reversed, _) => Asc,
    };
    let select = leading
        .into_iter()
        .fold(select, |select, (column, order)| select.order_by(column, turned(order)));
    trailing
        .into_iter()
        .fold(select, |select, (column, order)| select.order_by(column, order))
}
