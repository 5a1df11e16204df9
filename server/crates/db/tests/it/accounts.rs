use db::Error;
use domain::{AccountId, Role, SiteId};

use crate::util::{at, memory};

#[tokio::test]
async fn accounts_are_made_found_and_changed() {
    let db = memory().await;
    let main = SiteId::from("main");
    let anna = db
        .create_user(" Anna ", Role::Administrator, &main, "hash-1", at(5))
        .await
        .unwrap();
    assert_eq!(
        (anna.name.as_str(), anna.role, anna.disabled, anna.created_at),
        ("Anna", Role::Administrator, false, at(5))
    );
    let again = db.create_user("ANNA", Role::Reader, &main, "hash-2", at(6)).await;
    assert!(matches!(again, Err(Error::NameTaken(name)) if name == "ANNA"));
    assert!(matches!(
        db.create_user("  ", Role::Reader, &main, "h", at(6)).await,
        Err(Error::NameEmpty)
    ));

    let zoe = db
        .create_user("zoe", Role::Site, &SiteId::from("south"), "hash-3", at(7))
        .await
        .unwrap();
    assert_eq!(db.users().await.unwrap(), [anna.clone(), zoe.clone()]);
    assert_eq!(
        db.user_by_name("anna").await.unwrap(),
        Some((anna.clone(), "hash-1".to_owned()))
    );
    assert_eq!(db.user_by_name("nobody").await.unwrap(), None);

    db.set_password(anna.id, "hash-9").await.unwrap();
    db.set_disabled(zoe.id, true).await.unwrap();
    db.set_role_site(zoe.id, Role::Reader, &main).await.unwrap();
    assert_eq!(db.user_by_name("Anna").await.unwrap().unwrap().1, "hash-9");
    let zoe = db.user(zoe.id).await.unwrap().unwrap();
    assert_eq!((zoe.role, zoe.site, zoe.disabled), (Role::Reader, main.clone(), true));

    let nobody = AccountId(99);
    assert_eq!(db.user(nobody).await.unwrap(), None);
    assert!(matches!(
        db.set_password(nobody, "x").await,
        Err(Error::UnknownAccount(_))
    ));
    assert!(matches!(
        db.set_disabled(nobody, true).await,
        Err(Error::UnknownAccount(_))
    ));
    assert!(matches!(
        db.set_role_site(nobody, Role::Reader, &main).await,
        Err(Error::UnknownAccount(_))
    ));
}
