// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/metrics_log.hpp"

#include "core/error.hpp"
#include "storage/atomic.hpp"
#include "storage/hdf5.hpp"

#include <nlohmann/json.hpp>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <utility>

namespace tessera::train {
namespace {

using Json = nlohmann::json;

constexpr std::uint64_t kVersion = 1;
constexpr const char* kHits = "validation_hits_at_";

void put_validation(const EpochRecord& record, Json& line) {
  if (!record.validation_mrr) return;
  line["validation_mrr"] = *record.validation_mrr;
  for (const HitsAt& hits : record.validation_hits) line[fmt::format("{}{}", kHits, hits.k)] = hits.share;
  if (!record.validation_filter.empty()) line["validation_filter"] = record.validation_filter;
}

// Hits are in the order of their k, not of their names.
void take_validation(const Json& line, EpochRecord& record) {
  if (!line.contains("validation_mrr")) return;
  record.validation_mrr = line.at("validation_mrr");
  record.validation_filter = line.value("validation_filter", "");
  for (const auto& [key, share] : line.items())
    if (key.starts_with(kHits))
      record.validation_hits.push_back(
          {static_cast<std::uint32_t>(std::strtoul(key.c_str() + std::strlen(kHits), nullptr, 10)), share});
  std::sort(record.validation_hits.begin(), record.validation_hits.end(),
            [](const HitsAt& a, const HitsAt& b) { return a.k < b.k; });
}

void put_end(const EpochEnd& end, Json& line) {
  if (!end.time_utc.empty()) line["time"] = end.time_utc;
  if (!end.host.empty()) line["host"] = end.host;
  if (!end.job_id.empty()) line["job_id"] = end.job_id;
}

// The share of a record for `k`; NaN where it has none.
double hits_of(const EpochRecord& record, std::uint32_t k) {
  for (const HitsAt& hits : record.validation_hits)
    if (hits.k == k) return hits.share;
  return std::numeric_limits<double>::quiet_NaN();
}

std::string to_line(const EpochRecord& record) {
  Json line = {{"epoch", record.epoch},
               {"loss", record.loss},
               {"learning_rate", record.learning_rate},
               {"seconds", record.seconds},
               {"triples_per_second", record.triples_per_second},
               {"segments", record.segments},
               {"longest_segment_seconds", record.longest_segment_seconds},
               {"save_seconds", record.saves.stopped},
               {"write_seconds", record.saves.writing},
               {"bytes_sent", record.bytes_sent}};
  put_validation(record, line);
  put_end(record.end, line);
  for (std::size_t tag = 0; tag < memory::kTagCount; ++tag)
    line["peak_bytes"][memory::name(static_cast<memory::Tag>(tag))] = record.peak_bytes.at(tag);
  for (std::size_t stage = 0; stage < kStageCount; ++stage)
    line["stage_seconds"][name(static_cast<Stage>(stage))] = record.stages.seconds.at(stage);
  if (record.device_use) {
    line["device_planned_bytes"] = record.device_use->planned_bytes;
    line["device_measured_bytes"] = record.device_use->measured_bytes;
  }
  return line.dump();
}

EpochRecord from_line(const std::string& text, const std::string& where) {
  try {
    const Json line = Json::parse(text);
    EpochRecord record;
    record.epoch = line.at("epoch");
    record.loss = line.at("loss");
    record.learning_rate = line.at("learning_rate");
    record.seconds = line.at("seconds");
    record.triples_per_second = line.at("triples_per_second");
    record.segments = line.value("segments", std::uint64_t{0});  // older versions did not write all of these
    record.longest_segment_seconds = line.value("longest_segment_seconds", 0.0);
    record.saves.stopped = line.value("save_seconds", 0.0);
    record.saves.writing = line.value("write_seconds", 0.0);
    record.bytes_sent = line.at("bytes_sent");
    take_validation(line, record);
    record.end = {line.value("time", ""), line.value("host", ""), line.value("job_id", "")};
    for (std::size_t tag = 0; tag < memory::kTagCount; ++tag)
      record.peak_bytes.at(tag) =
          line.at("peak_bytes").value(memory::name(static_cast<memory::Tag>(tag)), std::uint64_t{0});
    const Json stages = line.value("stage_seconds", Json::object());  // an older version wrote no stages
    for (std::size_t stage = 0; stage < kStageCount; ++stage)
      record.stages.seconds.at(stage) = stages.value(name(static_cast<Stage>(stage)), 0.0);
    if (line.contains("device_planned_bytes"))
      record.device_use = {line.at("device_planned_bytes"), line.at("device_measured_bytes")};
    return record;
  } catch (const Json::exception& error) {
    fail(ExitStatus::kBadData, "{}: not a line of metrics: {}", where, error.what());
  }
}

template <class T, class Get>
void column(storage::FileWriter& file, const std::string& name, const std::vector<EpochRecord>& records,
            const storage::Description& description, const Get& get) {
  std::vector<T> values;
  for (const EpochRecord& record : records) values.push_back(get(record));
  file.write<T>("/epochs/" + name, values, description);
}

}  // namespace

std::vector<EpochRecord> read_metrics(const std::filesystem::path& file) {
  std::vector<EpochRecord> records;
  std::ifstream in(file);
  std::string line;
  for (int number = 1; std::getline(in, line); ++number) {
    if (in.eof()) break;
    records.push_back(from_line(line, fmt::format("{}:{}", file.string(), number)));
  }
  return records;
}

MetricsLog::MetricsLog(std::filesystem::path run_folder, std::uint64_t keep_epochs)
    : folder_(std::move(run_folder)), records_(read_metrics(folder_ / kMetricsLog)) {
  std::erase_if(records_, [&](const EpochRecord& record) { return record.epoch > keep_epochs; });
  storage::AtomicFile file(folder_ / kMetricsLog);
  std::ofstream out(file.temporary());
  for (const EpochRecord& record : records_) out << to_line(record) << '\n';
  out.close();
  if (!out) storage::fail_writing(file.temporary());
  file.commit();
}

void MetricsLog::append(const EpochRecord& record) {
  records_.push_back(record);
  std::ofstream out(folder_ / kMetricsLog, std::ios::app);
  out << to_line(record) << '\n';
  out.close();
  if (!out) storage::fail_writing(folder_ / kMetricsLog);
}

void MetricsLog::rebuild_hdf5() const {
  storage::AtomicFile target(folder_ / kMetricsFile);
  storage::FileWriter file(target.temporary(), kMetricsKind, kVersion);
  const auto u64 = [&](const std::string& name, const storage::Description& description, const auto& get) {
    column<std::uint64_t>(file, name, records_, description, get);
  };
  const auto f64 = [&](const std::string& name, const storage::Description& description, const auto& get) {
    column<double>(file, name, records_, description, get);
  };
  u64("epoch", {"epoch, 1 for the first"}, [](const auto& r) { return r.epoch; });
  f64("loss", {"mean training loss per query"}, [](const auto& r) { return r.loss; });
  f64("learning_rate", {"learning rate of the epoch's last step"}, [](const auto& r) { return r.learning_rate; });
  f64("seconds", {"wall time of training, validation not included", "s"}, [](const auto& r) { return r.seconds; });
  f64("triples_per_second", {"training speed", "triple/s"}, [](const auto& r) { return r.triples_per_second; });
  u64("segments", {"segments of the epoch; 0 of a version without"}, [](const auto& r) { return r.segments; });
  f64("longest_segment_seconds", {"time of the longest segment", "s"},
      [](const auto& r) { return r.longest_segment_seconds; });
  f64("save_seconds", {"time that training stood still for checkpoints since the epoch before was logged", "s"},
      [](const auto& r) { return r.saves.stopped; });
  f64("write_seconds", {"time from the beginning of these checkpoints until they were whole", "s"},
      [](const auto& r) { return r.saves.writing; });
  u64("bytes_sent", {"sent by all ranks to other ranks", "byte"}, [](const auto& r) { return r.bytes_sent; });
  f64("validation_mrr", {"filtered validation MRR, realistic tie rule; NaN where not validated"},
      [](const auto& r) { return r.validation_mrr.value_or(std::numeric_limits<double>::quiet_NaN()); });
  std::set<std::uint32_t> hits_at;
  for (const EpochRecord& record : records_)
    for (const HitsAt& hits : record.validation_hits) hits_at.insert(hits.k);
  for (const std::uint32_t k : hits_at)
    f64(fmt::format("{}{}", kHits, k), {"filtered validation Hits@k, realistic tie rule; NaN where there is none"},
        [k](const auto& r) { return hits_of(r, k); });
  for (std::size_t tag = 0; tag < memory::kTagCount; ++tag)
    u64(fmt::format("peak_bytes_{}", memory::name(static_cast<memory::Tag>(tag))),
        {"peak pool memory of the fullest rank so far", "byte"}, [tag](const auto& r) { return r.peak_bytes.at(tag); });
  for (std::size_t stage = 0; stage < kStageCount; ++stage)
    f64(fmt::format("seconds_{}", name(static_cast<Stage>(stage))),
        {"time in this stage of the steps, of the rank that took longest", "s"},
        [stage](const auto& r) { return r.stages.seconds.at(stage); });
  if (std::any_of(records_.begin(), records_.end(), [](const auto& r) { return r.device_use.has_value(); })) {
    const auto use = [](const auto& r) { return r.device_use.value_or(memory::DeviceUse{}); };
    u64("device_planned_bytes", {"planned device memory of the fullest rank", "byte"},
        [&](const auto& r) { return use(r).planned_bytes; });
    u64("device_measured_bytes", {"peak of it by the driver so far; 0 where it is not known", "byte"},
        [&](const auto& r) { return use(r).measured_bytes; });
  }
  file.close();
  storage::commit_listed(target);
}

}  // namespace tessera::train
