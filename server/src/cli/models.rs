//! `shenton models`.

use std::path::Path;

use crate::inference;

pub fn run(folder: &Path, json: bool) -> anyhow::Result<()> {
    let cards = inference::model_cards(folder)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&cards)?);
        return Ok(());
    }
    for card in cards {
        println!(
            "{:10} {:>10} parameters  {}  {}",
            card.network, card.parameters, card.sha256, card.name
        );
        println!("           {}", card.training);
    }
    Ok(())
}
