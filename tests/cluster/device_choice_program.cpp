// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
//
//   device_choice_program DEVICES_OF_HOST
//
// Prints which device each rank takes on a host of that many devices, without any: what the driver would let a process
// see is worked out from CUDA_VISIBLE_DEVICES, as the driver does.
#include "core/log.hpp"
#include "device/choice.hpp"

#include <mpi.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <string_view>

namespace {

int visible_devices(int of_host) {
  const char* text = std::getenv("CUDA_VISIBLE_DEVICES");
  if (text == nullptr) return of_host;
  const std::string_view list(text);
  return list.empty() ? 0 : static_cast<int>(std::count(list.begin(), list.end(), ',')) + 1;
}

int rank_on_host() {
  MPI_Comm host = MPI_COMM_NULL;
  MPI_Comm_split_type(MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0, MPI_INFO_NULL, &host);
  int rank = 0;
  MPI_Comm_rank(host, &rank);
  MPI_Comm_free(&host);
  return rank;
}

}  // namespace

int main(int count, char** words) {
  MPI_Init(&count, &words);
  std::array<char, MPI_MAX_PROCESSOR_NAME> host{};
  int length = 0;
  int rank = 0;
  MPI_Get_processor_name(host.data(), &length);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank);
  tessera::log::set_sink([&](tessera::log::Level, std::string_view message) {
    std::printf("warning of %s: %.*s\n", host.data(), static_cast<int>(message.size()), message.data());
  });
  const int visible = visible_devices(count > 1 ? tessera::device::count_described(words[1]) : 0);
  if (visible == 0) {
    std::printf("rank %d on %s sees no device\n", rank, host.data());
  } else {
    const int device = tessera::device::choose(rank_on_host(), visible, tessera::device::devices_of_job());
    std::printf("rank %d on %s takes device %d of %d\n", rank, host.data(), device, visible);
  }
  MPI_Finalize();
  return 0;
}
