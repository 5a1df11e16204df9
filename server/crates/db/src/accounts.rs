//! Accounts. Passwords come and go as opaque hashes.

use domain::{AccountId, Role, SiteId, Timestamp, User};
use sea_orm::{
    ActiveValue::Set, ActiveValue::Unchanged, ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder,
};

use crate::connection::Db;
use crate::entity::account;
use crate::{Error, Result};

/// Names are compared without their case and outer spaces.
pub fn name_key(name: &str) -> String {
    name.trim().to_lowercase()
}

fn user(row: account::Model) -> Result<User> {
    Ok(User {
        id: AccountId(row.id),
        name: row.name,
        role: Role::parse(&row.role).ok_or(Error::UnknownValue {
            column: "account.role",
            value: row.role,
        })?,
        site: SiteId(row.site),
        disabled: row.disabled,
        created_at: Timestamp(row.created_at),
    })
}

impl Db {
    /// Adds an account.
    ///
    /// # Errors
    /// [`Error::NameTaken`], also where the names differ only in case; [`Error::NameEmpty`].
    pub async fn create_user(
        &self,
        name: &str,
        role: Role,
        site: &SiteId,
        password_hash: &str,
        at: Timestamp,
    ) -> Result<User> {
        let key = name_key(name);
        if key.is_empty() {
            return Err(Error::NameEmpty);
        }
        let write = self.write().await?;
        let taken = account::Entity::find()
            .filter(account::Column::NameKey.eq(&key))
            .count(&write.txn)
            .await?
            > 0;
        if taken {
            return Err(Error::NameTaken(name.trim().to_owned()));
        }
        let mut row = account::Model {
            id: 0,
            name: name.trim().to_owned(),
            name_key: key,
            role: role.as_str().to_owned(),
            site: site.0.clone(),
            password_hash: password_hash.to_owned(),
            disabled: false,
            created_at: at.0,
        };
        let new = account::ActiveModel {
            name: Set(row.name.clone()),
            name_key: Set(row.name_key.clone()),
            role: Set(row.role.clone()),
            site: Set(row.site.clone()),
            password_hash: Set(row.password_hash.clone()),
            disabled: Set(row.disabled),
            created_at: Set(row.created_at),
            ..Default::default()
        };
        row.id = account::Entity::insert(new).exec(&write.txn).await?.last_insert_id;
        write.commit().await?;
        user(row)
    }

    /// An account and its password hash, by name without regard to case.
    pub async fn user_by_name(&self, name: &str) -> Result<Option<(User, String)>> {
        let row = account::Entity::find()
            .filter(account::Column::NameKey.eq(name_key(name)))
            .one(self.read())
            .await?;
        row.map(|row| {
            let hash = row.password_hash.clone();
            Ok((user(row)?, hash))
        })
        .transpose()
    }

    /// An account with the hash of its password.
    pub async fn user_with_hash(&self, id: AccountId) -> Result<Option<(User, String)>> {
        let row = account::Entity::find_by_id(id.0).one(self.read()).await?;
        row.map(|row| {
            let hash = row.password_hash.clone();
            Ok((user(row)?, hash))
        })
        .transpose()
    }

    pub async fn user(&self, id: AccountId) -> Result<Option<User>> {
        account::Entity::find_by_id(id.0)
            .one(self.read())
            .await?
            .map(user)
            .transpose()
    }

    /// Every account, A to Z.
    pub async fn users(&self) -> Result<Vec<User>> {
        let rows = account::Entity::find()
            .order_by_asc(account::Column::NameKey)
            .all(self.read())
            .await?;
        rows.into_iter().map(user).collect()
    }

    /// # Errors
    /// [`Error::UnknownAccount`].
    pub async fn set_password(&self, id: AccountId, password_hash: &str) -> Result<()> {
        self.update_account(
            id,
            account::ActiveModel {
                password_hash: Set(password_hash.to_owned()),
                ..Default::default()
            },
        )
        .await
    }

    /// # Errors
    /// [`Error::UnknownAccount`].
    pub async fn set_disabled(&self, id: AccountId, disabled: bool) -> Result<()> {
        self.update_account(
            id,
            account::ActiveModel {
                disabled: Set(disabled),
                ..Default::default()
            },
        )
        .await
    }

    /// # Errors
    /// [`Error::UnknownAccount`].
    pub async fn set_role_site(&self, id: AccountId, role: Role, site: &SiteId) -> Result<()> {
        let change = account::ActiveModel {
            role: Set(role.as_str().to_owned()),
            site: Set(site.0.clone()),
            ..Default::default()
        };
        self.update_account(id, change).await
    }

    async fn update_account(&self, id: AccountId, mut change: account::ActiveModel) -> Result<()> {
        let write = self.write().await?;
        if account::Entity::find_by_id(id.0).count(&write.txn).await? == 0 {
            return Err(Error::UnknownAccount(id));
        }
        change.id = Unchanged(id.0);
        account::Entity::update(change).exec(&write.txn).await?;
        write.commit().await
    }
}
