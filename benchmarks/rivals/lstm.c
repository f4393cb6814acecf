/* A plain C loop: one LSTM layer and an output layer, one text, one character at a time.

   The weights are charlstm's: U (V, 4H), W (H, 4H), b (4H), W_out (H, V), b_out (V), in row-major order, with the gates
   f, i, o, c~ as blocks of columns. The state is h and c, H numbers each; z has room for 4H numbers. */

#include <math.h>
#include <stdint.h>

typedef struct {
    int H, V;
    const float *U, *W, *b, *W_out, *b_out;
    float *h, *c, *z;
} Network;

static float logistic(float z) { return 1.0f / (1.0f + expf(-z)); }

/* Read a character: replace h and c, and write the logits of the next character. */
void read_character(const Network *n, int character, float *restrict logits) {
    const int H = n->H, V = n->V, G = 4 * n->H;
    const float *restrict u = n->U + (int64_t)character * G;
    float *restrict z = n->z, *restrict h = n->h, *restrict c = n->c;
    for (int j = 0; j < G; j++) z[j] = u[j] + n->b[j];
    for (int i = 0; i < H; i++) {
        const float *restrict w = n->W + (int64_t)i * G;
        const float x = h[i];
        for (int j = 0; j < G; j++) z[j] += x * w[j];
    }
    for (int j = 0; j < H; j++) {
        c[j] = logistic(z[j]) * c[j] + logistic(z[H + j]) * tanhf(z[3 * H + j]);
        h[j] = logistic(z[2 * H + j]) * tanhf(c[j]);
    }
    for (int k = 0; k < V; k++) logits[k] = n->b_out[k];
    for (int i = 0; i < H; i++) {
        const float *restrict w = n->W_out + (int64_t)i * V;
        const float x = h[i];
        for (int k = 0; k < V; k++) logits[k] += x * w[k];
    }
}

/* Sample characters one after another; return the last one. */
int sample(const Network *n, int last, int64_t count, float temperature, uint64_t *random, float *restrict logits) {
    for (int64_t step = 0; step < count; step++) {
        read_character(n, last, logits);
        float largest = logits[0], sum = 0.0f;
        for (int k = 1; k < n->V; k++) largest = fmaxf(largest, logits[k]);
        for (int k = 0; k < n->V; k++) sum += logits[k] = expf((logits[k] - largest) / temperature);
        *random ^= *random << 13, *random ^= *random >> 7, *random ^= *random << 17; /* xorshift64 */
        float rest = (float)(*random >> 40) / 16777216.0f * sum;
        for (last = 0; last < n->V - 1 && (rest -= logits[last]) >= 0.0f; last++) {}
    }
    return last;
}
