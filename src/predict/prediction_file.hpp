// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "predict/predictor.hpp"
#include "storage/atomic.hpp"
#include "storage/hdf5.hpp"

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

namespace tessera::predict {

/// The origin of the answers in a file.
struct PredictionOrigin {
  std::string model;
  std::uint64_t dim = 0;
  std::uint64_t epoch = 0;
  std::string graph_digest;
  KnownAnswers known = KnownAnswers::kMark;
  std::string condition = {};  ///< that all answers fulfil; empty: none
};

/// Predictions as HDF5 (docs/formats/predictions.md), written by rank 0 as they come; whole or not there.
class PredictionFile {
 public:
  /// `names` and `shown`, of the predictor, outlive this; `shown` may be null. Throws Error(kMissingInput) when the
  /// folder of `file` is not there, Error(kIo).
  PredictionFile(std::filesystem::path file, const Names& names, std::uint64_t question_count,
                 std::uint64_t most_answers, const ShownAttributes* shown = nullptr);
  ~PredictionFile();
  PredictionFile(const PredictionFile&) = delete;
  PredictionFile& operator=(const PredictionFile&) = delete;

  void append(const Prediction& prediction);
  /// Adds the names of everything that occurs, and lists the file in checksums.xxh3 of its folder. Replaces an older
  /// file.
  void commit(const PredictionOrigin& origin);

 private:
  struct Columns;
  void flush();
  void write_names();

  std::filesystem::path path_;
  const Names& names_;
  const ShownAttributes* shown_;
  std::uint64_t most_answers_;
  std::vector<bool> entity_occurs_;
  std::vector<bool> relation_occurs_;
  storage::AtomicFile atomic_;
  storage::FileWriter file_;
  std::unique_ptr<Columns> columns_;
};

}  // namespace tessera::predict
