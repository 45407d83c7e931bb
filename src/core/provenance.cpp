// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/provenance.hpp"

#include "core/build_info.hpp"
#include "core/text.hpp"

#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>
#include <utility>

namespace tessera {
namespace {
constexpr std::size_t kLongestCommandLine = 16384;  // an attribute of an HDF5 file must stay below 64 KiB

std::string& command_line() {
  static std::string value;
  return value;
}
}  // namespace

void set_command_line(std::string value) {
  if (value.size() > kLongestCommandLine) value = value.substr(0, kLongestCommandLine) + " ...";
  command_line() = text::escaped(value);
}

std::string host_name() {
  std::array<char, 256> host{};
  return gethostname(host.data(), host.size() - 1) == 0 ? host.data() : "unknown";
}

std::string job_id() {
  const char* id = std::getenv("SLURM_JOB_ID");  // NOLINT(concurrency-mt-unsafe): nothing changes the environment
  return id == nullptr ? "" : text::escaped(id);
}

std::string time_in_words(std::time_t time) {
  std::tm utc{};
  gmtime_r(&time, &utc);
  std::array<char, 32> words{};
  std::strftime(words.data(), words.size(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  return words.data();
}

Provenance current_provenance() {
  return {TESSERA_VERSION_STRING, TESSERA_GIT_COMMIT, command_line(), host_name(), time_in_words(std::time(nullptr))};
}

}  // namespace tessera
