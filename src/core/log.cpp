// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "core/log.hpp"

#include <mutex>
#include <utility>

namespace tessera::log {
namespace {
struct State {
  std::mutex mutex;
  Sink sink;
};
State& state() {
  static State instance;
  return instance;
}
}  // namespace

void set_sink(Sink sink) {
  const std::scoped_lock lock(state().mutex);
  state().sink = std::move(sink);
}

void write(Level level, std::string_view message) {
  const std::scoped_lock lock(state().mutex);
  if (state().sink) state().sink(level, message);
}

}  // namespace tessera::log
