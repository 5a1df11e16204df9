//! Every compression of real files goes through the decoder's child, with the allocator and the limits that it has there.

use server::decoder::Decoder;

use crate::util::decoder_options;

#[tokio::test]
async fn the_child_decodes_every_lossless_and_lossy_syntax_of_real_radiographs() {
    let Some(corpus) = testkit::corpus() else { return };
    let decoder = Decoder::new(decoder_options()).unwrap();
    for image in ["RG2", "RG3", "XA1"] {
        let mut lossless = Vec::new();
        for syntax in ["J2KR", "JLSL", "JPLL", "RLE", "J2KI", "JLSN"] {
            let path = corpus.join("dicom/wg04").join(format!("{image}_{syntax}"));
            let (_, frame) = decoder
                .decode(&path)
                .await
                .unwrap_or_else(|error| panic!("{image}_{syntax}: {error}"));
            assert_eq!(
                frame.pixels.len(),
                (frame.rows * frame.columns) as usize,
                "{image}_{syntax}"
            );
            if !matches!(syntax, "J2KI" | "JLSN") {
                lossless.push(frame.pixels);
            }
        }
        assert!(
            lossless.windows(2).all(|pair| pair[0] == pair[1]),
            "{image}: lossless is lossless"
        );
    }
}
