// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/stage_times.hpp"
#include "memory/device_use.hpp"
#include "memory/pool.hpp"
#include "train/loop/save_times.hpp"

#include <array>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace tessera::train {

/// Hits@k of a validation: the share of ranks up to k.
struct HitsAt {
  std::uint32_t k = 0;
  double share = 0;
};

/// Where and when an epoch ended; rank 0 says it.
struct EpochEnd {
  std::string time_utc;  ///< ISO 8601; empty, as all of these: of a version that did not say it
  std::string host;
  std::string job_id;  ///< of the queue of a cluster; empty: none
};

/// One epoch, as it is logged.
struct EpochRecord {
  std::uint64_t epoch = 0;  ///< 1 for the first
  double loss = 0;
  double learning_rate = 0;  ///< learning rate of the epoch's last step
  double seconds = 0;
  double triples_per_second = 0;
  std::uint64_t segments = 0;  ///< 0: of a version without segments
  double longest_segment_seconds = 0;
  SaveTimes::Seconds saves;      ///< of the checkpoints since the epoch before was logged
  std::uint64_t bytes_sent = 0;  ///< by all ranks to other ranks, this epoch
  StageTimes stages;             ///< time of each stage on the slowest rank
  std::optional<double> validation_mrr;
  std::vector<HitsAt> validation_hits;
  std::string validation_filter;  ///< splits whose known answers validation leaves out
  EpochEnd end;
  std::array<std::uint64_t, memory::kTagCount> peak_bytes{};  ///< largest of the ranks, by tag, so far
  std::optional<memory::DeviceUse> device_use;                ///< largest of all ranks, on a device
};

inline constexpr const char* kMetricsKind = "metrics";
inline constexpr const char* kMetricsLog = "metrics.jsonl";
inline constexpr const char* kMetricsFile = "metrics.h5";

/// The lines of a metrics.jsonl; one without its end was cut off and is left out, a missing file has none. Throws
/// Error(kBadData) naming file and line.
std::vector<EpochRecord> read_metrics(const std::filesystem::path& file);

/// RUN/metrics.jsonl, appended line by line, and RUN/metrics.h5, rebuilt from it. Used on rank 0 only.
class MetricsLog {
 public:
  /// `keep_epochs`: records of later epochs (of a run that was cut off) are dropped.
  MetricsLog(std::filesystem::path run_folder, std::uint64_t keep_epochs);
  /// Appends and flushes one line.
  void append(const EpochRecord& record);
  /// Rewrites metrics.h5 from all records.
  void rebuild_hdf5() const;
  [[nodiscard]] const std::vector<EpochRecord>& records() const { return records_; }

 private:
  std::filesystem::path folder_;
  std::vector<EpochRecord> records_;
};

}  // namespace tessera::train
