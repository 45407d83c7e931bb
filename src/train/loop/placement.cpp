// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/loop/placement.hpp"

#include "comm/agreement.hpp"
#include "core/error.hpp"
#include "storage/atomic.hpp"

#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>

namespace tessera::train {
namespace {

using Json = nlohmann::ordered_json;
using Name = std::array<char, 128>;

// One value of each rank.
template <class T>
std::vector<T> gather(comm::Communicator& comm, const T& own) {
  std::vector<T> all(static_cast<std::size_t>(comm.size()));
  const std::vector<std::uint64_t> counts(all.size(), sizeof(T));
  comm.all_gather(std::as_bytes(std::span(&own, 1)), std::as_writable_bytes(std::span(all)), counts);
  return all;
}

std::vector<RankShare> gather_names(comm::Communicator& comm, const std::string& computes_with) {
  Name own{};
  std::copy_n(computes_with.begin(), std::min(computes_with.size(), own.size() - 1), own.begin());
  std::vector<RankShare> ranks;
  for (const Name& name : gather(comm, own)) ranks.push_back({name.data(), 0, 0});
  return ranks;
}

// Collective.
std::vector<double> gather_speeds(comm::Communicator& comm, const std::function<double()>& measure,
                                  std::vector<RankShare>& ranks) {
  const double own = comm::together(comm, measure);
  std::vector<double> speeds = gather(comm, own);
  for (std::size_t r = 0; r < ranks.size(); ++r) ranks[r].candidates_per_second = speeds[r];
  return speeds;
}

// "6,2" as numbers of at least 1.
std::vector<std::uint32_t> parse_list(const std::string& text) {
  std::vector<std::uint32_t> numbers;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (true) {
    std::uint32_t number = 0;
    const auto [next, error] = std::from_chars(at, end, number);
    if (error != std::errc{} || number == 0 || (next != end && *next != ','))
      fail(ExitStatus::kUsage,
           "run.placement '{}' is not known; it is auto, equal, speed, or how many parts each rank gets, at least "
           "one, as in \"6,2\"",
           text);
    numbers.push_back(number);
    if (next == end) return numbers;
    at = next + 1;
  }
}

graph::Placement listed_placement(const std::string& text, std::int32_t ranks, std::uint32_t parts) {
  const std::vector<std::uint32_t> numbers = parse_list(text);
  const std::uint64_t sum = std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
  if (numbers.size() != static_cast<std::size_t>(ranks) || sum != parts)
    fail(ExitStatus::kUsage, "run.placement \"{}\" is for {} parts and {} rank{}; this run has {} and {}", text, sum,
         numbers.size(), numbers.size() == 1 ? "" : "s", parts, ranks);
  return graph::Placement(numbers);
}

// A line without its end was cut off by a kill.
void drop_unfinished_line(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  const std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  if (text.empty() || text.back() == '\n') return;
  std::filesystem::resize_file(file, text.rfind('\n') + 1);  // npos + 1 is 0
}

// Whether "auto" measures: ranks that all compute with the same thing would only be given its noise.
bool differ(const std::vector<RankShare>& ranks) {
  const auto on_cpu = [](const RankShare& rank) { return rank.computes_with.starts_with("cpu"); };
  const auto as_first = [&](const RankShare& rank) { return rank.computes_with == ranks.front().computes_with; };
  return !std::all_of(ranks.begin(), ranks.end(), on_cpu) && !std::all_of(ranks.begin(), ranks.end(), as_first);
}

}  // namespace

PartsGivenOut give_out_parts(comm::Communicator& comm, const Job& job, const std::string& computes_with,
                             const std::function<double()>& measure) {
  const std::string& wanted = job.run.placement;
  const auto parts = static_cast<std::uint32_t>(job.data.parts);
  std::vector<RankShare> ranks = gather_names(comm, computes_with);
  const auto given = [&](const graph::Placement& placement, const char* why) {
    for (std::size_t r = 0; r < ranks.size(); ++r)
      ranks[r].parts = placement.part_count(Rank(static_cast<std::int32_t>(r)));
    return PartsGivenOut{placement, why, ranks};
  };
  if (wanted == "speed" || (wanted == "auto" && differ(ranks))) {
    const std::vector<double> speeds = gather_speeds(comm, measure, ranks);
    return given(comm::together(comm, [&] { return graph::Placement::by_speed(parts, speeds); }), "by measured speed");
  }
  const bool equal = wanted == "auto" || wanted == "equal";
  const auto placement = comm::together(comm, [&] {
    return equal ? graph::Placement(parts, comm.size()) : listed_placement(wanted, comm.size(), parts);
  });
  return given(placement, equal ? "equal numbers" : "as run.placement says");
}

std::string placement_list(const graph::Placement& placement) {
  std::vector<std::uint32_t> numbers;
  for (std::int32_t r = 0; r < placement.rank_count(); ++r) numbers.push_back(placement.part_count(Rank(r)));
  return fmt::format("{}", fmt::join(numbers, ","));
}

bool has_equal_numbers(const graph::Placement& placement) {
  return placement_list(placement) == placement_list({placement.part_count(), placement.rank_count()});
}

namespace {

void put_circumstances(const Circumstances& circumstances, Json& line) {
  const Provenance& program = circumstances.program;
  line["tessera_version"] = program.version;
  line["git_commit"] = program.git_commit;
  line["command_line"] = program.command_line;
  line["host"] = program.host;
  line["time"] = program.time_utc;
  if (!circumstances.job_id.empty()) line["job_id"] = circumstances.job_id;
  if (!circumstances.planned_bytes) return;
  for (std::size_t tag = 0; tag < memory::kTagCount; ++tag)
    line["planned_bytes"][memory::name(static_cast<memory::Tag>(tag))] = circumstances.planned_bytes->at(tag);
}

// Older versions wrote none of these.
Circumstances circumstances_of(const Json& line) {
  Circumstances out{{line.value("tessera_version", ""), line.value("git_commit", ""), line.value("command_line", ""),
                     line.value("host", ""), line.value("time", "")},
                    line.value("job_id", ""),
                    {}};
  if (!line.contains("planned_bytes")) return out;
  out.planned_bytes.emplace();
  for (std::size_t tag = 0; tag < memory::kTagCount; ++tag)
    out.planned_bytes->at(tag) =
        line.at("planned_bytes").value(memory::name(static_cast<memory::Tag>(tag)), std::uint64_t{0});
  return out;
}

}  // namespace

void record_start(const std::filesystem::path& run_folder, const checkpoint::Position& after,
                  const PartsGivenOut& shares, const Circumstances& circumstances) {
  Json line = {{"after_epoch", after.epoch},
               {"after_segment", after.segment},
               {"placement", placement_list(shares.placement)},
               {"why", shares.why},
               {"ranks", Json::array()}};
  for (const RankShare& rank : shares.ranks) {
    Json share = {{"computes_with", rank.computes_with}, {"parts", rank.parts}};
    if (rank.candidates_per_second > 0) share["candidates_per_second"] = rank.candidates_per_second;
    line["ranks"].push_back(share);
  }
  put_circumstances(circumstances, line);
  const std::filesystem::path file = run_folder / kStartsLog;
  drop_unfinished_line(file);
  std::ofstream out(file, std::ios::app);
  out << line.dump() << '\n';
  out.close();
  if (!out) storage::fail_writing(file);
}

std::vector<Start> read_starts(const std::filesystem::path& file) {
  std::vector<Start> starts;
  std::ifstream in(file);
  std::string text;
  for (int number = 1; std::getline(in, text) && !in.eof(); ++number) {
    try {
      const Json line = Json::parse(text);
      const checkpoint::Position after(line.at("after_epoch"), line.value("after_segment", std::uint64_t{0}));
      Start start{after, line.at("placement"), line.at("why"), {}, circumstances_of(line)};
      for (const Json& share : line.at("ranks"))
        start.ranks.push_back(
            {share.at("computes_with"), share.value("candidates_per_second", 0.0), share.at("parts")});
      starts.push_back(std::move(start));
    } catch (const Json::exception& error) {
      fail(ExitStatus::kBadData, "{}:{}: not a line about a start: {}", file.string(), number, error.what());
    }
  }
  return starts;
}

}  // namespace tessera::train
