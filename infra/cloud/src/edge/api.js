// Tells the API whom a request is from: behind CloudFront, the connection's address is CloudFront's.
function handler(event) {
    const request = event.request;
    // Whatever the client wrote there is gone.
    request.headers['x-viewer-address'] = { value: event.viewer.ip };
    delete request.headers['x-edge-secret'];
    return request;
}
