#ifndef NNET_NAETRIGGER_H_
#define NNET_NAETRIGGER_H_

#include "nnet_common.h"

namespace nnet {

struct naetrigger_config {
    static const unsigned n_in = 1;
    static const int first = 0; // the lowest mantissa of the input
    static const unsigned n_entries = 1;
    typedef float entries_t;
};

// res = entries[mantissa of data - first]
template <class data_T, class res_T, typename CONFIG_T>
void exact_table(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in],
                 typename CONFIG_T::entries_t entries[CONFIG_T::n_entries]) {
    #pragma HLS PIPELINE
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        ap_int<data_T::width + 2> place = 0;
        ap_uint<data_T::width> word = data[i].range(data_T::width - 1, 0);
        place = word;
        if (CONFIG_T::first < 0 && data[i] < 0)
            place -= ap_int<data_T::width + 2>(1) << data_T::width;
        place -= CONFIG_T::first;
        res[i] = entries[(int)place];
    }
}

// res = min(max(data, entries[0]), entries[1])
template <class data_T, class res_T, typename CONFIG_T>
void clip_to(data_T data[CONFIG_T::n_in], res_T res[CONFIG_T::n_in],
             typename CONFIG_T::entries_t entries[CONFIG_T::n_entries]) {
    #pragma HLS PIPELINE
    for (unsigned i = 0; i < CONFIG_T::n_in; i++) {
        #pragma HLS UNROLL
        if (data[i] < entries[0])
            res[i] = entries[0];
        else if (data[i] > entries[1])
            res[i] = entries[1];
        else
            res[i] = data[i];
    }
}

} // namespace nnet

#endif
