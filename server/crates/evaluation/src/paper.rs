//! Figures that others published on real x-rays, quoted beside our own and named as such.

/// Gale et al. 2017.
pub const SOURCE: &str = "Gale et al. 2017, real x-rays";

/// A quoted row: its name and cells.
pub type Quoted<const N: usize> = (&'static str, [&'static str; N]);

/// Table 1: n of the validation set, precision, recall, accuracy.
pub const TABLE_1: [Quoted<4>; 3] = [
    ("CNN-frontal", ["300 cases", ">0.99", ">0.99", ">0.99"]),
    ("CNN-bounding", ["440 cases", "–", "–", "0.97"]),
    ("CNN-metal", ["300 cases", ">0.99", "1.0", ">0.99"]),
];

/// Table 2: accuracy, precision, recall, F1.
pub const TABLE_2: [Quoted<4>; 4] = [
    ("Gale et al. 2017", ["0.97", "0.99", "0.95", "0.97"]),
    ("Kazi et al. 2017, STN", ["0.84", "0.74", "0.93", "0.82"]),
    ("Kazi et al. 2017, LBM", ["0.81", "0.76", "0.84", "0.80"]),
    (
        "Kazi et al. 2017, UBM (hip localised by hand)",
        ["0.88", "0.91", "0.85", "0.88"],
    ),
];

/// Table 3: accuracy, precision, recall, F1, with 95 % intervals.
pub const TABLE_3: [Quoted<4>; 3] = [
    (
        "Radiologist, upper bound",
        [
            "0.99 (0.99–1.00)",
            "0.93 (0.90–0.95)",
            "0.97 (0.95–0.99)",
            "0.95 (0.93–0.97)",
        ],
    ),
    (
        "Network, high precision",
        [
            "0.99 (0.99–1.00)",
            "0.97 (0.95–0.99)",
            "0.92 (0.89–0.95)",
            "0.95 (0.93–0.97)",
        ],
    ),
    (
        "Network, high sensitivity",
        [
            "0.99 (0.99–1.00)",
            "0.92 (0.89–0.94)",
            "0.95 (0.92–0.97)",
            "0.94 (0.92–0.97)",
        ],
    ),
];

/// The area under the ROC curve that the paper gives, without an interval.
pub const AUC: &str = "0.994";

/// Where the paper disagrees with itself about the quoted figures.
pub const SIZES: &str = "The paper names 3,354 test images with 348 fractures, but its Table 3 is over 348 fractures \
    and 2,997 other hips, which are 3,345. It does not say which is right, so neither is taken as the size here.";
pub const VALIDATION: &str = "The paper's text says that 300 cases were labelled for each small network; its Table 1 \
    gives training sets of 581, 300 and 5,330 cases. Its accuracy of CNN-bounding is the coverage, by eye, of the head \
    and both trochanters.";
