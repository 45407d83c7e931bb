// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// How small packed queries are, and how fast they are unpacked and searched, on one core:
//   packed_bench DATA.kg/parts-P       prints one JSON object
#include "core/error.hpp"
#include "core/random.hpp"
#include "graph/shard.hpp"
#include "sampling/item_order.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <filesystem>
#include <memory>
#include <vector>

namespace {

using namespace tessera;
using graph::Split;

constexpr double kSeconds = 0.5;

/// Processor time: other programs may run.
double seconds() {
  timespec time{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
  return static_cast<double>(time.tv_sec) + 1e-9 * static_cast<double>(time.tv_nsec);
}

/// Runs `work`, which returns how many things it did, again and again for half a second. Things per second, the median
/// of the runs.
template <class Work>
double rate(const Work& work) {
  std::vector<double> rates;
  const double start = seconds();
  while (rates.size() < 5 || seconds() - start < kSeconds) {
    const double begin = seconds();
    const std::uint64_t done = work(rates.size());
    rates.push_back(static_cast<double>(done) / (seconds() - begin));
  }
  std::nth_element(rates.begin(), rates.begin() + static_cast<std::ptrdiff_t>(rates.size() / 2), rates.end());
  return rates[rates.size() / 2];
}

std::uint64_t train_queries(const graph::Shard& shard) {
  std::uint64_t sum = 0;
  for (const graph::Part& part : shard.parts) sum += part.queries(Split::kTrain).size();
  return sum;
}

/// All that a rank keeps of its training queries: chunks, their columns, and the list of targets elsewhere.
double bytes_per_query(const graph::Shard& shard) {
  std::uint64_t bytes = 0;
  for (const graph::Part& part : shard.parts) bytes += part.queries(Split::kTrain).bytes() + part.elsewhere_bytes();
  return static_cast<double>(bytes) / static_cast<double>(train_queries(shard));
}

double streaming_rate(const graph::Shard& shard) {
  const auto reader = std::make_unique<packing::ChunkReader>();
  return rate([&](std::size_t) {
    for (const graph::Part& part : shard.parts)
      for (std::size_t chunk = 0; chunk < part.queries(Split::kTrain).chunk_count(); ++chunk)
        part.queries(Split::kTrain).read(chunk, *reader);
    return train_queries(shard);
  });
}

double random_chunk_rate(const graph::Shard& shard) {
  const auto reader = std::make_unique<packing::ChunkReader>();
  return rate([&](std::size_t run) {
    std::uint64_t done = 0;
    for (const graph::Part& part : shard.parts) {
      const graph::QuerySet& set = part.queries(Split::kTrain);
      const Permutation order(set.chunk_count(),
                              RandomStream(1, Purpose::kShuffle, static_cast<std::uint32_t>(run), part.id().value()));
      for (std::size_t k = 0; k < set.chunk_count(); ++k) {
        set.read(order(k), *reader);
        done += reader->sources().size();
      }
    }
    return done;
  });
}

/// Sources, relations and global ids of targets in the random order of an epoch.
double shuffled_rate(const graph::Shard& shard, memory::Pool& pool) {
  std::vector<sampling::ItemOrder> orders;
  orders.reserve(shard.parts.size());
  for (const graph::Part& part : shard.parts)
    orders.emplace_back(part, sampling::ItemOrder::Sizes{part.queries(Split::kTrain).size(), 0, 1}, pool);
  std::uint64_t sum = 0;
  const double found = rate([&](std::size_t run) {
    for (std::size_t p = 0; p < orders.size(); ++p) {
      const std::uint64_t size = shard.parts[p].queries(Split::kTrain).size();
      for (std::uint64_t i = 0; i < size;)
        for (const std::uint64_t end = orders[p].seek(1, static_cast<std::uint32_t>(run), i); i < end; ++i) {
          const std::uint32_t query = orders[p].item(i).first;
          sum += orders[p].source(query) + orders[p].relation(query) + orders[p].target(query);
        }
    }
    return train_queries(shard);
  });
  return sum == 1 ? 0 : found;
}

/// Seconds for the known targets of one (source, relation): of queries of the graph, at random.
double known_seconds(const graph::Shard& shard) {
  std::vector<std::pair<std::size_t, Query>> asked;
  const RandomStream random(2, Purpose::kSplit);
  for (std::uint64_t i = 0; i < 20000; ++i) {
    const std::size_t p = random.below(2 * i, shard.parts.size());
    const graph::QuerySet& set = shard.parts[p].queries(Split::kTrain);
    if (set.size() > 0) asked.emplace_back(p, set.query(random.below(2 * i + 1, set.size())));
  }
  std::uint64_t sum = 0;
  const double found = rate([&](std::size_t) {
    for (const auto& [p, query] : asked)
      sum += shard.parts[p].queries(Split::kTrain).known_targets(query.source, query.relation).size();
    return asked.size();
  });
  return sum == 0 ? 0 : 1 / found;
}

void measure(const std::filesystem::path& folder) {
  std::uint64_t disk_bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) disk_bytes += entry.file_size();
  memory::Pool pool(4 * disk_bytes + (std::uint64_t{1} << 30U));
  const auto manifest = graph::read_manifest(folder, false);
  const graph::Placement placement(manifest.part_count(), 1);
  const auto begin = std::chrono::steady_clock::now();
  const graph::Shard shard = graph::load_shard(folder, Rank(0), placement, pool);
  const double load_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin).count();
  std::printf(
      "{\"queries\": %llu, \"bytes_per_query\": %.4f, \"load_seconds\": %.3f, \"streaming\": %.4g, "
      "\"random_chunks\": %.4g, \"shuffled\": %.4g, \"known_seconds\": %.4g}\n",
      static_cast<unsigned long long>(train_queries(shard)), bytes_per_query(shard), load_seconds,
      streaming_rate(shard), random_chunk_rate(shard), shuffled_rate(shard, pool), known_seconds(shard));
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: packed_bench DATA.kg/parts-P\n");
    return 64;
  }
  try {
    measure(argv[1]);
  } catch (const tessera::Error& error) {
    std::fprintf(stderr, "packed_bench: %s\n", error.what());
    return static_cast<int>(error.status());
  }
  return 0;
}
