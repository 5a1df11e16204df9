//! What the viewer asks of the server: kept views, earlier studies, heat maps. Each for those who may see the image.

use std::sync::Arc;
use std::time::Duration;

use app::AppError;
use app::backend::{Backend, Caller};
use domain::{
    AuditAction, AuditFilter, Call, HeatMap, HipExclusion, HipFinding, HipStatus, Milliseconds, ModelName, PixelBox,
    ReadingStatus, Role, Score, Side, SiteId, SopUid,
};
use imaging::{Frame, KeptView, Measurement};
use pipeline::Analysis;
use server::backend::ServerBackend;
use server::clock;
use server::heat_maps::HeatMaps;
use server::inference::Analyser;
use server::ingest::{Door, Source};
use server::worker::Options;

use crate::state::caller;
use crate::util::{Bench, Quick, sound};

/// Reads the right hip and sets the left one aside.
struct Seeing {
    weights: &'static str,
}

impl Analyser for Seeing {
    fn analyse(&self, _: &Frame) -> Analysis {
        let hip = |side, call: Option<Call>| HipFinding {
            side,
            region: PixelBox([10.0, 20.0, 40.0, 50.0]),
            status: if call.is_some() {
                HipStatus::Analysed
            } else {
                HipStatus::Excluded
            },
            reason: call.is_none().then_some(HipExclusion::Metal),
            metal: None,
            fracture: call.map(|_| Score { score: 0.9 }),
            location: None,
            call,
        };
        Analysis {
            status: ReadingStatus::Analysed,
            reason: None,
            error: None,
            frontal: None,
            hips: vec![hip(Side::Right, Some(Call::Definite)), hip(Side::Left, None)],
            milliseconds: Milliseconds::default(),
        }
    }

    fn model(&self) -> ModelName {
        ModelName {
            name: "seeing".to_owned(),
            sha256: self.weights.to_owned(),
        }
    }

    fn device(&self) -> String {
        "none".to_owned()
    }

    fn heat_maps(&self, frame: &Frame, hips: &[(Side, [f32; 4])]) -> Result<Vec<HeatMap>, String> {
        let map = |&(side, rect): &(Side, [f32; 4])| HeatMap {
            side,
            rect,
            width: 2,
            height: 1,
            values: vec![frame.columns as f32, -1.0],
        };
        Ok(hips.iter().map(map).collect())
    }
}

const STUDY: &str = "1.2.77";
const SOP: &str = "1.2.77.1";

/// A study of the site north, read; and the backend with these networks.
async fn read(networks: Option<Arc<dyn Analyser>>) -> (Bench, ServerBackend) {
    let bench = Bench::new().await;
    let source = Source {
        site: SiteId::from("north"),
        ..bench.source(Door::Import)
    };
    bench.ingest.accept(source, sound(STUDY, SOP, 64).into()).await.unwrap();
    let options = Options {
        poll_milliseconds: 10,
        ..Options::default()
    };
    bench
        .work(Arc::new(Seeing { weights: "aa" }), options, Duration::from_secs(30))
        .await;
    let backend = ServerBackend {
        db: bench.db.clone(),
        models: bench.folder.path().to_owned(),
        changes: bench.changes.clone(),
        heat_maps: HeatMaps::new(bench.storage.clone(), bench.decoder.clone(), networks),
    };
    (bench, backend)
}

/// A caller who has an account.
async fn account(bench: &Bench, name: &str, role: Role, site: &str) -> Caller {
    let user = bench
        .db
        .create_user(name, role, &SiteId::from(site), "hash", clock::now())
        .await
        .unwrap();
    Caller {
        user,
        ..caller(role, site)
    }
}

async fn trail(bench: &Bench, action: AuditAction) -> Vec<String> {
    let filter = AuditFilter {
        action: Some(action),
        object: Some(SOP.to_owned()),
        per_page: 50,
        ..AuditFilter::default()
    };
    let rows = bench.db.audit_events(&filter).await.unwrap().rows;
    rows.into_iter().map(|event| event.detail).collect()
}

#[tokio::test]
async fn a_view_is_kept_for_its_reader_alone() {
    let (bench, backend) = read(None).await;
    let anna = account(&bench, "anna", Role::Reader, "main").await;
    let ben = account(&bench, "ben", Role::Site, "north").await;
    let stranger = account(&bench, "stranger", Role::Site, "south").await;
    let sop = || SopUid::from(SOP);
    let view = KeptView {
        invert: true,
        measurements: vec![Measurement::Length([[1.0, 2.0], [3.0, 4.0]])],
        ..KeptView::default()
    };
    assert_eq!(backend.kept_view(&anna, sop()).await, Ok(None));
    assert_eq!(backend.keep_view(&anna, sop(), view.to_json()).await, Ok(()));
    let kept = backend.kept_view(&anna, sop()).await.unwrap().unwrap();
    assert_eq!(KeptView::parse(&kept), Ok(view.clone()));
    assert_eq!(backend.kept_view(&ben, sop()).await, Ok(None));

    // Another site's account learns nothing, and the attempt is in the trail.
    assert_eq!(backend.kept_view(&stranger, sop()).await, Err(AppError::NotFound));
    assert_eq!(
        backend.keep_view(&stranger, sop(), view.to_json()).await,
        Err(AppError::NotFound)
    );
    assert_eq!(trail(&bench, AuditAction::Refusal).await.len(), 2);

    // What is no view is refused in words and changes nothing.
    for wrong in ["", "no view", r#"{"name":"DOE^JANE"}"#, &" ".repeat(40_000)] {
        let refused = backend.keep_view(&anna, sop(), wrong.to_owned()).await;
        assert!(matches!(refused, Err(AppError::Invalid(_))), "{refused:?}");
    }
    assert_eq!(backend.kept_view(&anna, sop()).await.unwrap().unwrap(), kept);

    // The trail holds that there are marks, and not every turn of the wheel.
    let turned = KeptView { invert: false, ..view };
    backend.keep_view(&anna, sop(), turned.to_json()).await.unwrap();
    assert_eq!(trail(&bench, AuditAction::Setting).await, ["measurements kept: 1"]);
}

#[tokio::test]
async fn heat_maps_are_of_the_hips_that_were_scored() {
    let (bench, backend) = read(Some(Arc::new(Seeing { weights: "aa" }))).await;
    let reader = caller(Role::Reader, "main");
    let maps = backend.heat_maps(&reader, SOP.into()).await.unwrap();
    let expect = HeatMap {
        side: Side::Right,
        rect: [10.0, 20.0, 40.0, 50.0],
        width: 2,
        height: 1,
        values: vec![64.0, -1.0],
    };
    assert_eq!(maps, [expect]);
    assert_eq!(trail(&bench, AuditAction::ViewImage).await, ["heat map"]);
    let stranger = caller(Role::Site, "south");
    assert_eq!(backend.heat_maps(&stranger, SOP.into()).await, Err(AppError::NotFound));
    assert_eq!(backend.heat_maps(&reader, "9.9".into()).await, Err(AppError::NotFound));
}

#[tokio::test]
async fn no_heat_map_explains_a_score_of_other_weights() {
    let check = async |networks: Option<Arc<dyn Analyser>>, words: &str| {
        let (bench, backend) = read(networks).await;
        let refused = backend.heat_maps(&caller(Role::Reader, "main"), SOP.into()).await;
        assert!(
            matches!(&refused, Err(AppError::Invalid(text)) if text.contains(words)),
            "{refused:?}"
        );
        assert!(trail(&bench, AuditAction::ViewImage).await.is_empty());
    };
    check(Some(Arc::new(Seeing { weights: "bb" })), "networks have changed").await;
    check(Some(Arc::new(Quick)), "networks have changed").await;
    check(None, "another process").await;
}

#[tokio::test]
async fn earlier_studies_are_for_whoever_may_see_this_one() {
    let (bench, backend) = read(None).await;
    // The same day and hour as the first, so neither is earlier; another site's is never shown.
    bench
        .ingest
        .accept(bench.source(Door::Import), sound("1.2.78", "1.2.78.1", 32).into())
        .await
        .unwrap();
    let reader = caller(Role::Reader, "main");
    assert_eq!(backend.earlier(&reader, STUDY.into()).await, Ok(vec![]));
    let stranger = caller(Role::Site, "south");
    assert_eq!(backend.earlier(&stranger, STUDY.into()).await, Err(AppError::NotFound));
}
