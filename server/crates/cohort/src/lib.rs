//! From reports and operating records to labels of hips.
