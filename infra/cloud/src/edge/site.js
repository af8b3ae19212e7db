// Before the cache and after it: a path that the site does not have gets the page that says so, with status 404.
//
// It is known here what the site has, because nothing else can tell: error pages of the distribution would also take
// the place of the API's problem documents.
const PAGES = [/* pages */];

function handler(event) {
    if (event.context.eventType === 'viewer-response') {
        const response = event.response;
        // The page itself says so, by metadata of its object: it is the same whatever the path was.
        if (response.headers['x-amz-meta-status']) {
            response.statusCode = 404;
            response.statusDescription = 'Not Found';
            delete response.headers['x-amz-meta-status'];
        }
        return response;
    }
    const request = event.request;
    if (request.uri === '/') {
        // The distribution has no default root object: it would take the path's place before it is looked at here.
        request.uri = '/index.html';
    } else if (!PAGES.includes(request.uri) && !request.uri.startsWith('/assets/')) {
        request.uri = '/404';
        // Else the answer could be 304, for a page that is not there.
        delete request.headers['if-none-match'];
        delete request.headers['if-modified-since'];
    }
    return request;
}
