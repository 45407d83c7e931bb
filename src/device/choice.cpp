// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "device/choice.hpp"

#include "core/log.hpp"
#include "device/device.hpp"

#include <algorithm>
#include <charconv>
#include <cstdlib>

namespace tessera::device {
namespace {

constexpr int kMostDevices = 1024;  // most devices of one host; a larger number is no count

// "a100:4" or "4"; 0 if it is neither.
int count_of_kind(std::string_view text) {
  const std::string_view digits = text.substr(text.rfind(':') + 1);  // npos + 1 is 0
  int count = 0;
  const auto [end, error] = std::from_chars(digits.data(), digits.data() + digits.size(), count);
  const bool whole = error == std::errc() && end == digits.data() + digits.size();
  return whole && count > 0 && count <= kMostDevices ? count : 0;
}

int count_in_environment(const char* name) {
  const char* text = std::getenv(name);  // NOLINT(concurrency-mt-unsafe): read once at start
  return text == nullptr ? 0 : count_described(text);
}

}  // namespace

int count_described(std::string_view text) {
  int sum = 0;
  while (true) {
    const std::size_t comma = text.find(',');
    const int count = count_of_kind(text.substr(0, comma));
    if (count == 0) return 0;
    sum += count;
    if (comma == std::string_view::npos) return sum;
    text.remove_prefix(comma + 1);
  }
}

int devices_of_job() {
  // Slurm gives the number that the job asked for on every host, and its count on this host. Under mpirun a binding
  // makes the second number too small.
  return std::max(count_in_environment("SLURM_GPUS_PER_NODE"), count_in_environment("SLURM_GPUS_ON_NODE"));
}

int choose(int rank_on_host, int visible, int of_job) {
  if (rank_on_host == 0 && visible < of_job) {
    log::warning(
        "ranks of this host see {} of the {} devices that the job has here, so NCCL cannot use the links between them; "
        "submit with --gpu-bind=none and --gpus-per-node, not --gpus-per-task, and leave CUDA_VISIBLE_DEVICES alone",
        visible, of_job);
  }
  return device_of_rank(rank_on_host, visible);
}

}  // namespace tessera::device
