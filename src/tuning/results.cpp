// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "tuning/results.hpp"

#include "core/error.hpp"
#include "train/loop/metrics_log.hpp"

#include <nlohmann/json.hpp>

#include <cerrno>
#include <cstring>
#include <fstream>
#include <set>

namespace tessera::tuning {
namespace {

using Json = nlohmann::ordered_json;

Result from_line(const std::string& line, const std::string& where) {
  try {
    const Json json = Json::parse(line);
    return {json.at("trial"),      json.at("epochs"),  json.at("validation_mrr"),
            json.at("best_epoch"), json.at("seconds"), json.at("failure")};
  } catch (const Json::exception& error) {
    fail(ExitStatus::kBadData, "{}: not a line of results: {}", where, error.what());
  }
}

/// Bytes of the whole lines of a file.
std::uint64_t whole_lines(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  std::uint64_t bytes = 0;
  for (std::string line; std::getline(in, line) && !in.eof();) bytes += line.size() + 1;
  return bytes;
}

}  // namespace

std::vector<Result> ResultLog::read() const {
  std::vector<Result> results;
  std::set<std::pair<std::size_t, std::uint64_t>> seen;
  std::ifstream in(file_);
  std::string line;
  for (int number = 1; std::getline(in, line) && !in.eof(); ++number) {
    Result result = from_line(line, fmt::format("{}:{}", file_.string(), number));
    if (seen.emplace(result.trial, result.epochs).second) results.push_back(std::move(result));
  }
  return results;
}

void ResultLog::append(const Result& result) const {
  const Json line = {{"trial", result.trial},           {"epochs", result.epochs},   {"validation_mrr", result.mrr},
                     {"best_epoch", result.best_epoch}, {"seconds", result.seconds}, {"failure", result.failure}};
  if (std::filesystem::exists(file_)) std::filesystem::resize_file(file_, whole_lines(file_));
  std::ofstream out(file_, std::ios::app);
  out << line.dump(-1, ' ', false, Json::error_handler_t::replace) << '\n';
  out.flush();
  if (!out) fail(ExitStatus::kIo, "writing '{}' failed: {}", file_.string(), std::strerror(errno));
}

Result read_result(const std::filesystem::path& run_folder, std::size_t trial, std::uint64_t epochs) {
  Result result{trial, epochs, 0, 0, 0, ""};
  for (const train::EpochRecord& record : train::read_metrics(run_folder / train::kMetricsLog)) {
    if (record.epoch > epochs) break;
    result.seconds += record.seconds;
    if (!record.validation_mrr || (result.best_epoch > 0 && *record.validation_mrr <= result.mrr)) continue;
    result.mrr = *record.validation_mrr;
    result.best_epoch = record.epoch;
  }
  if (result.best_epoch == 0) result.failure = "it has no validation";
  return result;
}

}  // namespace tessera::tuning
